//! Aggregates that are declared: a type that says what it is called, how one is made, and what changes it. All else is the same
//! for every one of them (routes, tables, topics, views, the tool), and is done from its [`Declaration`].
//!
//! An item and an upload are not declared: they have files, sagas, a search, statistics. `docs/your-own-aggregate.md` adds one
//! that is.

mod aggregate;
mod body;
mod declaration;
mod instance;
mod storable;
#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, Change, EventName, Refused};
pub use body::Body;
pub use declaration::{Command, Declaration};
pub use instance::{Instance, InstanceDecision};

/// The aggregates that this installation has beside items and uploads.
pub static DECLARED: &[Declaration] = &[
    // A line for each, such as `Declaration::of::<order::Order>(),`.
];
