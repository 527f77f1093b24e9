//! The upload's process manager: what follows from the uploader's facts, from an item's deletion, and from time.
//!
//! Every handler is a function of its own transaction that may be called again with the same event: what it finds done
//! it leaves alone. Locks are taken in the order account, item, upload, saga.

mod consumer;
mod expiry;
mod item_deletion;
mod machine;
pub mod quota;
mod upload_saga;

pub use consumer::{SagaEvents, consumer_settings};
pub use expiry::Expiry;
pub use item_deletion::end_uploads_of_item;
pub use machine::{ACTOR, UPLOAD_SAGA, step};
pub use upload_saga::{SagaOutcome, file_rejected, file_removed, file_stored};
