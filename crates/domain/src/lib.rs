//! The decisions of Depot: what an item, an upload and a storage account are, and what each command does to them.
//!
//! Nothing here reads a clock, a database or a socket: time and identifiers come in as arguments, so that every
//! decision is a pure function that a test can call. Transport formats belong to the services, event formats to
//! `depot-schemas`.

mod content_policy;
pub mod declared;
mod field_error;
mod ids;
mod item;
mod item_fields;
mod parts;
mod storage_account;
mod thumbnail;
mod upload;
mod upload_fields;
mod version;

pub use content_policy::{AcceptedTypes, PASSIVE_TYPES, may_be_shown, served_type};
pub use declared::{
    Aggregate, Body, Change, Command, DECLARED, Declaration, EventName, Instance, InstanceDecision, Refused,
};
pub use field_error::{FieldError, Invalid};
pub use ids::{CommandId, EventId, InstanceId, InvalidId, InvalidOwner, ItemId, Owner, UploadId};
pub use item::{FileRef, Item, ItemContent, ItemDecision, ItemError};
pub use item_fields::{Attributes, Description, ItemName, ItemStatus, Tags};
pub use parts::{PartPlan, PartsAmiss};
pub use storage_account::{QuotaExceeded, StorageAccount};
pub use thumbnail::Thumbnail;
pub use upload::{
    CancelReason, RejectReason, Upload, UploadDecision, UploadError, UploadRequest, UploadStatus,
};
pub use upload_fields::{ContentType, FileName, Sha256, SizeBytes};
pub use version::{InvalidVersion, VersionToken};
