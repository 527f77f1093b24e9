use std::sync::Arc;

use depot_domain::VersionToken;
use depot_object_store::StoreError;
use uuid::Uuid;

use crate::{change_feed::Subject, cursor::InvalidCursor, read::ReadError};

/// Why a question has no answer. Knows no transport: `rest::problem` and `grpc::status` translate it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("there is no {}", describe(*.0))]
    NotFound(Subject),
    #[error("item {id} was deleted")]
    ItemDeleted {
        id: Uuid,
        version: VersionToken,
        /// The version of the views that say so.
        projection: i32,
    },
    #[error("the views do not have version {wanted} of {} yet", describe(*.subject))]
    Behind {
        subject: Subject,
        wanted: VersionToken,
        /// What they have; nothing if the row is absent.
        seen: Option<VersionToken>,
    },
    #[error("as many requests wait for a version as may wait at a time")]
    TooManyWaiting,
    #[error("the cursor {0}")]
    Cursor(InvalidCursor),
    #[error("upload {id} has no file to fetch: it is {status}")]
    NotStored { id: Uuid, status: String },
    #[error("upload {id} has no thumbnail")]
    NoThumbnail { id: Uuid },
    #[error("as many streams are open as may be")]
    TooManyStreams,
    #[error("the resume token {0}")]
    ResumeToken(#[from] InvalidResumeToken),
    #[error("the views could not be read")]
    Read(#[source] Arc<ReadError>),
    #[error("the download could not be signed")]
    Download(#[source] Arc<StoreError>),
}

/// Why a stream cannot go on from a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResumeToken {
    #[error("is not one that was given out here; start without it")]
    Malformed,
    #[error("names a position that the views never had: they were built from another log; start without it")]
    OutOfRange,
    #[error(
        "is older than the changes that are kept: changes after it are gone; start without it, and read what was missed"
    )]
    TooOld,
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> Self {
        Self::Read(Arc::new(error))
    }
}

impl From<Arc<ReadError>> for QueryError {
    fn from(error: Arc<ReadError>) -> Self {
        Self::Read(error)
    }
}

impl From<InvalidCursor> for QueryError {
    fn from(error: InvalidCursor) -> Self {
        Self::Cursor(error)
    }
}

/// The subject in words: `item 0192…`.
pub fn describe(subject: Subject) -> String {
    match subject {
        Subject::Item(id) => format!("item {id}"),
        Subject::Upload(id) => format!("upload {id}"),
        Subject::Declared(of, id) => format!("{} {id}", of.name),
    }
}
