//! The files in which threads of a service meet, as they are, with the atomics and locks of loom, and models of what
//! happens around them. Loom runs a model in every order that the memory model of Rust allows; how many switches of
//! threads in one run it tries is `LOOM_MAX_PREEMPTIONS`.
//!
//! A file that is checked here uses nothing but the standard library and what `cfg(loom)` swaps. Without it the same models
//! run on threads of the system, again and again, which ThreadSanitizer watches (`make tsan`).

#[cfg(not(loom))]
pub use futures::executor::block_on;
#[cfg(loom)]
pub use loom::{future::block_on, sync, thread};
#[cfg(not(loom))]
pub use std::{sync, thread};

/// Enough for every fault that a model was seen to find, in seconds.
#[cfg(loom)]
const PREEMPTIONS: usize = 2;
#[cfg(not(loom))]
const ROUNDS: usize = 2_000;

/// Checks a model in every order.
///
/// # Panics
/// The model panics, blocks for ever, or leaks in one of them.
#[cfg(loom)]
pub fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

/// Runs a model often, in whatever order the system has.
///
/// # Panics
/// As the model does.
#[cfg(not(loom))]
pub fn check(model: impl Fn()) {
    for _ in 0..ROUNDS {
        model();
    }
}
