//! How clients of Kafka are closed. To close one blocks: it says goodbye to the broker, and joins threads that may be waiting
//! for an answer, with a broker that is silent for a minute and more. And whether Kafka answers at all.

mod closed_apart;
mod closing;
mod watch;

pub use closed_apart::ClosedApart;
pub use closing::{CLOSED_WITHIN, close_within};
pub use watch::{BrokerWatch, BrokerWatchError};
