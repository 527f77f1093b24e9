//! The dead letters of all groups: indexed by a consumer of this service, read by their position, redriven to the retry
//! topic of the group that failed.

mod depth;
mod index;
mod log;
mod redrive;

pub use depth::Depth;
pub use index::{DeadLetterIndex, index_settings};
pub use log::{LetterLog, LogError, StoredLetter};
pub use redrive::{RedriveError, Redriver, retry_sources, run};
