//! Liveness and readiness.
//!
//! Liveness depends on nothing: a process that answers is alive. Readiness is false while a named thing is waited
//! for, and while the process drains.

mod routes;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use routes::{HealthBody, admin_router, admin_router_with, health, public_routes};

/// A check that takes longer counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
const READY: &str = "depot_ready";
/// How old the metric is at most, where no probe asks.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// What the process waits for before it takes work. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    states: Mutex<BTreeMap<String, Option<String>>>,
    checks: Mutex<BTreeMap<String, Check>>,
    draining: AtomicBool,
    was_ready: AtomicBool,
    was_ready_at_last: AtomicBool,
}

/// One thing that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Waiting {
    /// Its name, such as `database`.
    pub name: String,
    /// Why it is not there.
    pub reason: String,
}

/// The outcome of all checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReadinessReport {
    /// Whether the process takes work.
    pub ready: bool,
    /// Whether it is ending.
    pub draining: bool,
    /// What is not there.
    pub waiting_for: Vec<Waiting>,
}

impl ReadinessReport {
    /// Of a process that was not looked at.
    pub(crate) fn nothing_known() -> Self {
        Self {
            ready: false,
            draining: false,
            waiting_for: Vec::new(),
        }
    }
}

impl Readiness {
    /// Nothing is waited for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a part that tells its state itself; it is waited for until it says that it is ready.
    #[must_use]
    pub fn part(&self, name: &str) -> ReadyState {
        let state = ReadyState {
            readiness: self.clone(),
            name: name.to_owned(),
        };
        state.waiting_for("starting");
        state
    }

    /// Registers a check that runs at each probe; it has 3 seconds.
    pub fn check<F, Fut>(&self, name: &str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        lock(&self.inner.checks).insert(name.to_owned(), check);
    }

    /// Makes readiness false for good. Called by [`Process`](crate::process::Process) when it starts to drain.
    pub fn start_draining(&self) {
        self.inner.draining.store(true, Ordering::Release);
    }

    /// Whether the process is ending.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    /// Whether the process was ready at least once.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.inner.was_ready.load(Ordering::Acquire)
    }

    /// What the last [`report`](Self::report) said, which is a few seconds old at most; false from the moment on in which the
    /// process begins to drain. Asks nobody.
    #[must_use]
    pub fn was_ready_at_last(&self) -> bool {
        self.inner.was_ready_at_last.load(Ordering::Acquire) && !self.is_draining()
    }

    /// Runs all checks side by side and tells what is missing.
    pub async fn report(&self) -> ReadinessReport {
        let checks: Vec<_> = lock(&self.inner.checks)
            .iter()
            .map(|(name, check)| (name.clone(), Arc::clone(check)))
            .collect();
        let outcomes = futures::future::join_all(checks.into_iter().map(run_check)).await;
        let mut waiting_for: Vec<Waiting> = outcomes.into_iter().flatten().collect();
        waiting_for.extend(lock(&self.inner.states).iter().filter_map(|(name, reason)| {
            Some(Waiting {
                name: name.clone(),
                reason: reason.clone()?,
            })
        }));
        // Read last, so that draining that began while the checks ran is seen.
        let draining = self.is_draining();
        let ready = waiting_for.is_empty() && !draining;
        if ready {
            self.inner.was_ready.store(true, Ordering::Release);
        }
        self.inner.was_ready_at_last.store(ready, Ordering::Release);
        gauge!(READY).set(if ready { 1.0 } else { 0.0 });
        ReadinessReport {
            ready,
            draining,
            waiting_for,
        }
    }

    /// Keeps the metric `depot_ready` up to date, until cancelled: a scrape does not wait for the checks.
    pub async fn keep_told(self, stop: CancellationToken) {
        describe_gauge!(READY, Unit::Count, "1 while the process takes work.");
        gauge!(READY).set(0.0);
        while stop.run_until_cancelled(self.report()).await.is_some() {
            stop.run_until_cancelled(tokio::time::sleep(LOOKED_AT_EVERY))
                .await;
        }
    }
}

async fn run_check((name, check): (String, Check)) -> Option<Waiting> {
    let reason = match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
        Ok(Ok(())) => return None,
        Ok(Err(reason)) => reason,
        Err(_) => format!("no answer within {} s", CHECK_TIMEOUT.as_secs()),
    };
    Some(Waiting { name, reason })
}

/// The state of one part of the process.
#[derive(Clone)]
pub struct ReadyState {
    readiness: Readiness,
    name: String,
}

impl ReadyState {
    /// The part takes work.
    pub fn ready(&self) {
        self.set(None);
    }

    /// The part takes no work, for this reason.
    pub fn waiting_for(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        lock(&self.readiness.inner.states).insert(self.name.clone(), reason);
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness")
            .field("draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ReadyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadyState")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The maps stay whole when a holder panics: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
