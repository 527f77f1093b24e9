//! What there is in Kafka, compared with what is declared in `depot_schemas::topics`.
//!
//! | module | what |
//! |---|---|
//! | [`Comparison`] | topics: partitions and settings |
//! | `api_versions` | brokers: whether they speak what this system needs |
//! | [`KafkaCheck`] | both, as a check at a service's start |
//! | [`LogEnds`] | where the logs of topics begin and end |

mod api_versions;
mod check;
mod comparison;
mod connection;
mod log_ends;

pub use check::{KafkaCheck, KafkaCheckError};
pub use comparison::{Comparison, Difference};
pub use connection::TlsError;
pub use log_ends::{LogEnd, LogEnds, LogEndsError};
