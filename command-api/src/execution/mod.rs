//! How a command is carried out, whichever door it came through: once for its key, alone or in a group, to an answer that is
//! kept with it.
//!
//! What a command is refused for is a problem here, since that is what is kept under its key; each door shows it in its own
//! form.

mod alone;
pub mod answer;
pub mod error;
pub mod executor;
mod group;
pub mod idempotency;
mod identity;
pub mod problems;

pub use answer::Answer;
pub use executor::{Executor, ExecutorSettings};
pub use group::GroupSettings;
pub use identity::{Identity, actor};
