//! How clients of Kafka are closed. To close one blocks: it says goodbye to the broker, and joins threads that may be waiting
//! for an answer, with a broker that is silent for a minute and more.

mod closed_apart;
mod closing;

pub use closed_apart::ClosedApart;
pub use closing::{CLOSED_WITHIN, close_within};
