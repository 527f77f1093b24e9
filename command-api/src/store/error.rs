use std::error::Error;

/// Why a statement gave nothing. The transaction it ran in is to be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not {doing}")]
    Database {
        doing: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("row {id} of {table} cannot be read: it was written by something that does not know its shape")]
    Corrupt {
        table: &'static str,
        id: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("row {id} of {table} is not at the version that was read under its lock")]
    Unexpected { table: &'static str, id: String },
}

/// What to do about a fault of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Others were in the way: the same transaction may pass in a moment.
    Contention,
    /// A lock was not had in time: contention too, but it has cost its time already.
    LockTimeout,
    /// The database is away, or refuses connections.
    Away,
    /// Anything else: it would fail again.
    Fault,
}

impl StoreError {
    /// For `map_err`: what was being done.
    pub fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }

    pub fn nature(&self) -> Nature {
        match self {
            Self::Database { source, .. } => nature(source),
            Self::Corrupt { .. } | Self::Unexpected { .. } => Nature::Fault,
        }
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
pub fn nature(error: &sqlx::Error) -> Nature {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // serialization_failure, deadlock_detected
            Some("40001" | "40P01") => Nature::Contention,
            // lock_not_available
            Some("55P03") => Nature::LockTimeout,
            // query_canceled: the statement time-out of a database that is too slow to be of use
            Some("57014") => Nature::Away,
            // connection exceptions, too many connections, admin shutdown, starting up, read-only after a failover
            Some(code) if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
                Nature::Away
            }
            Some("25006") => Nature::Away,
            _ => Nature::Fault,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Nature::Away,
        _ => Nature::Fault,
    }
}
