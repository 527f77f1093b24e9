use depot_consumer::Failure;
use depot_object_store::StoreError;
use depot_outbox::AppendError;
use depot_service::database::count_fault;
use uuid::Uuid;

use crate::clamd::ClamdError;

/// Why an upload's work did not come to its end this time. None of it is the file's fault: a file that is not as
/// announced is an outcome, not an error.
#[derive(Debug, thiserror::Error)]
pub enum UploaderError {
    #[error("the database did not {what} for upload {upload}")]
    Database {
        what: &'static str,
        upload: Uuid,
        #[source]
        source: sqlx::Error,
    },
    #[error("the event about upload {upload} could not be appended to the outbox")]
    Append {
        upload: Uuid,
        #[source]
        source: AppendError,
    },
    #[error("the object store failed upload {upload}")]
    Store {
        upload: Uuid,
        #[source]
        source: StoreError,
    },
    #[error("upload {upload} is not scanned")]
    Scanner {
        upload: Uuid,
        #[source]
        source: ClamdError,
    },
    #[error("the staged object of upload {upload} was replaced again and again while it was verified")]
    Restless { upload: Uuid },
    #[error("the partition of upload {upload} was taken away")]
    Cancelled { upload: Uuid },
}

impl UploaderError {
    pub(crate) fn database(what: &'static str, upload: Uuid) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| {
            count_fault(&source);
            Self::Database { what, upload, source }
        }
    }

    /// What failed, in a word, as it stands in a trace.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Database { .. } | Self::Append { .. } => "database",
            Self::Store { .. } => "object_store",
            Self::Scanner { .. } => "scanner",
            Self::Restless { .. } => "restless",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    pub(crate) fn is_unique_violation(&self) -> bool {
        let Self::Database { source, .. } = self else {
            return false;
        };
        source
            .as_database_error()
            .is_some_and(|error| error.is_unique_violation())
    }

    pub(crate) fn store(upload: Uuid) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store { upload, source }
    }

    pub(crate) fn scanner(upload: Uuid) -> impl FnOnce(ClamdError) -> Self {
        move |source| Self::Scanner { upload, source }
    }
}

impl From<UploaderError> for Failure {
    /// Nearly all of it passes with its dependency: that is away, or an operator has to mend a key or a grant. The work
    /// waits, and the message is not to blame. A client that replaces its object again and again is that upload's own
    /// matter, and holds up no other; nor does a file that is more than the scanner takes.
    fn from(error: UploaderError) -> Self {
        match error {
            UploaderError::Restless { .. }
            | UploaderError::Scanner {
                source: ClamdError::OverLimit { .. },
                ..
            } => Failure::retry_later(error.to_string(), error),
            _ => Failure::transient(error.to_string(), error),
        }
    }
}
