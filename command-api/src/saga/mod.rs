//! The process managers: what follows from the uploader's facts, from an item's deletion, and from time. What each
//! consists of is declared in `machine.rs`.
//!
//! Every handler is a function of its own transaction that may be called again with the same event: what it finds done
//! it leaves alone. Locks are taken in the order account, item, upload, the
//! upload's saga, the saga of its item's deletion.

mod consumer;
mod deadlines;
mod item_deletion;
mod machine;
pub mod quota;
mod upload_saga;

pub use consumer::{SagaEvents, consumer_settings};
pub use deadlines::UploadDeadlines;
pub use item_deletion::{ItemDeletionDeadlines, end_uploads_of_item};
pub use machine::{ACTOR, ITEM_DELETION_SAGA, SAGAS, UPLOAD_SAGA, step};
pub(crate) use upload_saga::request_removal;
pub use upload_saga::{SagaOutcome, file_rejected, file_removed, file_stored};
