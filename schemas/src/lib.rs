//! What the services say to one another: the events, their envelope (CloudEvents 1.0, binary mode) and the topics.
//!
//! Each event carries the whole state after the change, so that a reader is right from any one event of a key on.
//! Readers are tolerant (unknown fields are ignored); an unknown type or major version is no event for them.
//! [`sweep`] is what they and the tool tell each other by HTTP of what does not add up, [`projections`] of the versions of
//! the views, [`trace`] where an item or an upload is.
//! `events/` holds one JSON Schema for each type and version, generated from these types and held to them by a test.

mod declared_events;
mod decode;
mod envelope;
mod event;
mod event_type;
mod file_events;
mod item_events;
pub mod projections;
pub mod sweep;
pub mod topics;
pub mod trace;
mod upload_events;

pub use declared_events::{DeclaredData, DeclaredState};
pub use decode::{DecodeError, DecodeErrorClass, decode};
pub use envelope::{Envelope, header};
pub use event::{Event, EventData};
pub use event_type::{Entity, EventType};
pub use file_events::{FileData, FileOutcome, FileState, ThumbnailState};
pub use item_events::{AttachedFile, ItemData, ItemState};
pub use upload_events::{MultipartState, UploadData, UploadState};
