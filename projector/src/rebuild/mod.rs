//! The versions of the views: one that serves, one that is being built beside it, one that can serve again.
//!
//! Read in this order: `registry.rs` (the list) → `supervisor.rs` and `pipeline.rs` (who is fed) → `given_up.rs` (what cannot be
//! applied) → `comparison.rs` with `meeting.rs` (whether both show the same) → `switch.rs` → `dropping.rs`; `overview.rs` tells of
//! all of it, `admin.rs` is what an operator asks for.
//!
//! Only the one that serves tells anybody of what it does: Redis, those that wait for notifications, the dead letters.

mod admin;
mod comparison;
mod dropping;
mod error;
pub(crate) mod given_up;
mod meeting;
mod overview;
mod pipeline;
mod registry;
mod supervisor;
mod switch;

pub(crate) use admin::{ProjectionDesk, routes};
pub use comparison::compare;
pub use dropping::drop_rows;
pub use error::ProjectionError;
pub(crate) use overview::Overview;
pub(crate) use pipeline::Pipelines;
pub use registry::register;
pub(crate) use supervisor::{Feeding, Supervisor};
pub use switch::{SwitchRequest, roll_back, switch};
