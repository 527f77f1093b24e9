use depot_domain::{
    FieldError, InstanceId, ItemError, ItemId, QuotaExceeded, UploadError, UploadId, UploadStatus,
    VersionToken,
};
use depot_outbox::AppendError;
use depot_saga::store::SagaStoreError;
use depot_service::database::count_fault;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::{Nature, StoreError};

/// What the state of things does not allow. It was decided under the locks, and is an outcome like any other: it is
/// kept under the command's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no item {0}")]
    ItemNotFound(ItemId),
    #[error("item {id} is deleted")]
    ItemDeleted { id: ItemId, version: VersionToken },
    #[error("item {item} has {limit} files, which is the most")]
    TooManyFiles { item: ItemId, limit: usize },
    #[error("there is no upload {0}")]
    UploadNotFound(UploadId),
    #[error("upload {id} has ended: it is {status}")]
    UploadEnded {
        id: UploadId,
        status: UploadStatus,
        version: VersionToken,
    },
    #[error("upload {id} takes no bytes any more: it is {status}")]
    TakesNoBytes {
        id: UploadId,
        status: UploadStatus,
        version: VersionToken,
    },
    #[error("upload {id} took bytes until {expired_at}")]
    TimeOver {
        id: UploadId,
        expired_at: OffsetDateTime,
    },
    #[error("upload {0} is sent whole, not in parts")]
    SentWhole(UploadId),
    #[error("the version is {current} now")]
    Stale { current: VersionToken },
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    #[error("{} fields of the result would be invalid", .0.len())]
    Invalid(Vec<FieldError>),
    #[error("there is no {name} {id}")]
    DeclaredNotFound { name: &'static str, id: InstanceId },
    #[error("{why}")]
    DeclaredNotNow { why: String, version: VersionToken },
    #[error("aggregate {0} is not parked")]
    NotParked(Uuid),
    #[error("there is no such dead letter")]
    NoDeadLetter,
    #[error("the dead letter is {state}")]
    DeadLetterNotOpen { state: String },
    #[error("group {group} has no retry topic for {topic}")]
    NoRetryTopic { group: String, topic: String },
    #[error("there is no saga {saga} {saga_id}")]
    SagaNotFound { saga: String, saga_id: Uuid },
    #[error("saga {saga} {saga_id} is not stuck")]
    SagaNotStuck { saga: String, saga_id: Uuid },
}

impl Refusal {
    /// From the decision of an item at `version`.
    pub fn by_item(error: ItemError, version: VersionToken) -> Self {
        match error {
            ItemError::Deleted(id) => Self::ItemDeleted { id, version },
            ItemError::TooManyFiles { item, limit } => Self::TooManyFiles { item, limit },
        }
    }

    /// From the decision of an upload at `version`.
    pub fn by_upload(error: UploadError, version: VersionToken) -> Self {
        match error {
            UploadError::Ended { id, status } => Self::UploadEnded { id, status, version },
        }
    }
}

/// Why a command has no answer of its own.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("only the owner or an admin may do this")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Saga(SagaStoreError),
    #[error(transparent)]
    Append(AppendError),
}

impl From<SagaStoreError> for CommandError {
    fn from(error: SagaStoreError) -> Self {
        if let SagaStoreError::Database { source, .. } = &error {
            count_fault(source);
        }
        Self::Saga(error)
    }
}

impl From<AppendError> for CommandError {
    fn from(error: AppendError) -> Self {
        if let AppendError::Insert { source, .. } = &error {
            count_fault(source);
        }
        Self::Append(error)
    }
}

impl CommandError {
    /// What to do about it; none for what is no fault of the database.
    pub fn nature(&self) -> Option<Nature> {
        match self {
            Self::Refused(_) | Self::Forbidden => None,
            Self::Store(error) => Some(error.nature()),
            Self::Saga(SagaStoreError::Database { source, .. })
            | Self::Append(AppendError::Insert { source, .. }) => Some(crate::store::nature(source)),
            Self::Saga(_) | Self::Append(AppendError::Invalid(_)) => Some(Nature::Fault),
        }
    }
}
