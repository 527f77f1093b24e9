use std::{error::Error, time::Duration};

use depot_service::database::{self, Conflict};

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
    #[error("the database was away a moment ago, and is not asked")]
    PassedBy,
    #[error("the installation was not looked at to the end yet, and nothing is written before")]
    NotCleared,
    #[error("the database did not come to an end within {} s", .0.as_secs())]
    Silent(Duration),
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
    /// The database cannot do it as it is: a right, a migration, its disk. It passes once somebody has mended that.
    Unfit,
    /// Anything else, the values for instance: it would fail again.
    Fault,
}

impl Nature {
    /// As it stands in a trace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contention => "contention",
            Self::LockTimeout => "lock_timeout",
            Self::Away => "away",
            Self::Unfit => "unfit",
            Self::Fault => "fault",
        }
    }
}

impl StoreError {
    /// For `map_err`: what was being done.
    pub fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| {
            database::count_fault(&source);
            Self::Database { doing, source }
        }
    }

    pub fn nature(&self) -> Nature {
        match self {
            Self::Database { source, .. } => nature(source),
            Self::PassedBy | Self::NotCleared | Self::Silent(_) => Nature::Away,
            Self::Corrupt { .. } | Self::Unexpected { .. } => Nature::Fault,
        }
    }
}

/// The nature of a statement's error.
pub fn nature(error: &sqlx::Error) -> Nature {
    match database::Conflict::of(error) {
        Some(Conflict::Deadlock | Conflict::Serialization) => Nature::Contention,
        Some(Conflict::LockTimeout) => Nature::LockTimeout,
        None if database::is_away(error) => Nature::Away,
        None if error.as_database_error().is_some() && !database::is_caused_by_values(error) => Nature::Unfit,
        None => Nature::Fault,
    }
}
