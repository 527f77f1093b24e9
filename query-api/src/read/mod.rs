//! Where answers come from: the process, Redis, a replica of Postgres where there is one, Postgres, in this order.

mod cache;
pub mod declared;
pub mod item_pages;
mod newest_pages;
pub mod notifications;
mod pointer;
mod postgres;
mod reader;
pub mod rows;
mod single_flight;
mod sources;
mod traced;

use std::time::Duration;

pub use cache::Cache;
pub use pointer::Pointer;
pub use postgres::{Pools, Server, TAIL_PAGE, Views};
pub use reader::{Held, LocalCacheSettings, READS_TOTAL, Reader, describe_metrics};
pub use sources::Sources;
pub use traced::{Event as TracedEvent, Row as TracedRow, Traced};

/// There is no answer from Postgres. Redis never causes an error: it only makes answers slower.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("Postgres refused {question}")]
    Database {
        question: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("Postgres did not answer {question} within {} s", limit.as_secs())]
    Timeout { question: &'static str, limit: Duration },
    #[error("Postgres was away a moment ago, and is not asked for {question}")]
    Away { question: &'static str },
    #[error("as many lists and searches as are taken at once are under way; {question} would only be late")]
    Crowded { question: &'static str },
    #[error("the representation of {question} cannot be read or written")]
    Representation {
        question: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

impl ReadError {
    /// As it stands in a trace: the server's own code, where it gave one.
    fn error_type(&self) -> String {
        match self {
            Self::Database { source, .. } => {
                let code = source.as_database_error().and_then(|error| error.code());
                code.map_or_else(|| "unavailable".to_owned(), |code| code.into_owned())
            }
            Self::Timeout { .. } => "timeout".to_owned(),
            Self::Away { .. } | Self::Crowded { .. } | Self::Representation { .. } => "_OTHER".to_owned(),
        }
    }

    /// Another server may have the answer.
    fn is_of_the_server(&self) -> bool {
        match self {
            Self::Database { .. } | Self::Timeout { .. } | Self::Away { .. } => true,
            Self::Crowded { .. } | Self::Representation { .. } => false,
        }
    }
}
