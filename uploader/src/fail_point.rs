//! Where tests stop this program to kill it: after each await between an event and its commit.
//!
//! `UPLOADER_FAIL_POINTS` names places in the source, with commas between them: `conclude.rs:29,verify.rs:47`. The first
//! work that comes to such a place says so in the log and stays there, with its locks, for whoever waits for that to send
//! SIGKILL. Between two awaits nothing happens that others could see, so these are all the places there are; a test
//! reads this source and fails where the flow awaits without one.
//!
//! Compiled in with debug assertions only; a release build awaits what it is given.

use std::future::Future;

/// A future with a place to stop at when it is done.
pub(crate) trait FailPoint: Future + Sized {
    #[cfg(not(debug_assertions))]
    fn fail_point(self) -> Self {
        self
    }

    /// The place is that of the call.
    #[cfg(debug_assertions)]
    #[track_caller]
    fn fail_point(self) -> impl Future<Output = Self::Output> {
        let place = std::panic::Location::caller();
        // Boxed: wrapped at every await, futures as deep as the store's would outgrow a thread's stack.
        let awaited = Box::pin(self);
        async move {
            let output = awaited.await;
            if places::take(place) {
                tracing::warn!(place = %places::name(place), "fail point reached");
                std::future::pending::<()>().await;
            }
            output
        }
    }
}

impl<F: Future> FailPoint for F {}

#[cfg(debug_assertions)]
mod places {
    use std::{
        collections::HashSet,
        panic::Location,
        sync::{LazyLock, Mutex, PoisonError},
    };

    static NAMED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(|| {
        let named = std::env::var("UPLOADER_FAIL_POINTS").unwrap_or_default();
        Mutex::new(named.split(',').map(str::to_owned).collect())
    });

    pub(super) fn name(place: &Location<'_>) -> String {
        let file = place.file().rsplit('/').next().unwrap_or_default();
        format!("{file}:{}", place.line())
    }

    /// Whether work is to stop there: once a place.
    pub(super) fn take(place: &Location<'_>) -> bool {
        // Poisoned by a panic elsewhere, a set of names is as good as before.
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        !named.is_empty() && named.remove(&name(place))
    }
}
