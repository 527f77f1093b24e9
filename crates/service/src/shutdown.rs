//! Owned tasks and an orderly end.
//!
//! Every task of a process is spawned here, under a name. At a signal, or when a task fails, [`Shutdown::drain`] asks
//! all of them to end, waits for them, and names those that did not.

mod group;
mod roster;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::health::Readiness;
use crate::problem::chain;
use crate::profiling::TaskAge;
use crate::startup::Refusal;
use group::TaskGroup;

/// How long tasks that serve until the very end (the admin listener) have after the others.
const LAST_DEADLINE: Duration = Duration::from_secs(2);

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainPolicy {
    /// Between turning unready and refusing new work: the time in which load balancers notice.
    pub notice: Duration,
    /// How long tasks have to end after that.
    pub deadline: Duration,
}

/// A task that ended in a way that it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The name under which it was spawned.
    pub task: String,
    /// The error with its sources, or that it panicked.
    pub reason: String,
}

/// The process did not end in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainError {
    /// Why the process was not to start, where that is so.
    pub refused: Option<Refusal>,
    /// Tasks that failed, whether before or during the drain.
    pub failed: Vec<TaskFailure>,
    /// Tasks that had not ended at the deadline, and were dropped.
    pub unfinished: Vec<String>,
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refused {
            Some(refusal) if self.failed.is_empty() && self.unfinished.is_empty() => return refusal.fmt(f),
            Some(refusal) => write!(f, "{refusal}\nBesides, the process did not end in order")?,
            None => f.write_str("the process did not end in order")?,
        }
        for TaskFailure { task, reason } in &self.failed {
            write!(f, "; {task} failed: {reason}")?;
        }
        if !self.unfinished.is_empty() {
            write!(
                f,
                "; still running at the deadline: {}",
                self.unfinished.join(", ")
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for DrainError {}

/// The owner of a process's tasks. Cheap to clone.
#[derive(Clone)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

struct Inner {
    requested: CancellationToken,
    hurried: CancellationToken,
    work: TaskGroup,
    last: TaskGroup,
    failures: Mutex<Vec<TaskFailure>>,
    refusal: OnceLock<Refusal>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// An owner that ends only when asked by [`request`](Self::request), or when a task fails: for tests.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                requested: CancellationToken::new(),
                hurried: CancellationToken::new(),
                work: TaskGroup::default(),
                last: TaskGroup::default(),
                failures: Mutex::default(),
                refusal: OnceLock::new(),
            }),
        }
    }

    /// An owner that also ends on SIGTERM and SIGINT. A second signal skips the waiting.
    ///
    /// # Errors
    /// The signal handlers could not be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (requested, hurried) = (shutdown.inner.requested.clone(), shutdown.inner.hurried.clone());
        let stop = shutdown.last_token();
        shutdown.spawn_last("signals", async move {
            for token in [requested, hurried] {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                    () = stop.cancelled() => return,
                };
                tracing::info!(signal = name, "asked to stop");
                token.cancel();
            }
        });
        Ok(shutdown)
    }

    /// The token that tells tasks to end.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.inner.work.stop_token()
    }

    /// The token that tells tasks spawned by [`spawn_last`](Self::spawn_last) to end.
    #[must_use]
    pub fn last_token(&self) -> CancellationToken {
        self.inner.last.stop_token()
    }

    /// Asks the process to end, as a signal does.
    pub fn request(&self) {
        self.inner.requested.cancel();
    }

    /// Ends the process because it is not to start. [`drain`](Self::drain) answers why; of several refusals the first.
    pub fn refuse(&self, refusal: Refusal) {
        self.inner.refusal.get_or_init(|| refusal);
        self.request();
    }

    /// Waits until the process is asked to end, or a task failed.
    pub async fn requested(&self) {
        self.inner.requested.cancelled().await;
    }

    /// Spawns a task that ends when [`token`](Self::token) is cancelled, or earlier when it has nothing to do. A panic
    /// ends the process.
    pub fn spawn(&self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_in(
            &self.inner.work,
            name,
            task.map(Ok::<(), std::convert::Infallible>),
        );
    }

    /// As [`spawn`](Self::spawn); an error ends the process too.
    pub fn spawn_critical<E>(&self, name: &str, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: std::error::Error + Send + 'static,
    {
        self.spawn_in(&self.inner.work, name, task);
    }

    /// Spawns a task that serves while the others drain, until [`last_token`](Self::last_token) is cancelled.
    pub fn spawn_last(&self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_in(
            &self.inner.last,
            name,
            task.map(Ok::<(), std::convert::Infallible>),
        );
    }

    /// The tasks that have not ended, the oldest first.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskAge> {
        let mut tasks = Vec::new();
        for group in [&self.inner.work, &self.inner.last] {
            let is_stopping = group.stop_token().is_cancelled();
            let state = if is_stopping { "stopping" } else { "running" };
            tasks.extend(group.running().into_iter().map(|task| (task, state)));
        }
        tasks.sort_by_key(|(task, _)| task.since);
        let told = tasks.into_iter().map(|(task, state)| TaskAge {
            name: task.name,
            state: state.to_owned(),
            age_seconds: task.since.elapsed().as_secs_f64(),
        });
        told.collect()
    }

    fn spawn_in<E>(
        &self,
        group: &TaskGroup,
        name: &str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::error::Error + Send + 'static,
    {
        let owner = self.clone();
        let task_name = name.to_owned();
        group.spawn(name, async move {
            let reason = match std::panic::AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => chain(&error),
                Err(_) => "it panicked".to_owned(),
            };
            tracing::error!(
                task = task_name,
                error = reason,
                "a task failed, the process ends"
            );
            let failure = TaskFailure {
                task: task_name,
                reason,
            };
            owner
                .inner
                .failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(failure);
            owner.request();
        });
    }

    /// Ends the process in order: unready, then after the notice no new work, then all tasks joined until the
    /// deadline, then the admin listener.
    ///
    /// # Errors
    /// [`DrainError`] names failed tasks, those that were still running at the deadline, and why the process was not to
    /// start.
    pub async fn drain(&self, readiness: &Readiness, policy: DrainPolicy) -> Result<(), DrainError> {
        readiness.start_draining();
        let hurried = &self.inner.hurried;
        let _cut_short = hurried
            .run_until_cancelled(tokio::time::sleep(policy.notice))
            .await;
        let mut unfinished = self.inner.work.stop(policy.deadline, hurried).await;
        unfinished.extend(self.inner.last.stop(LAST_DEADLINE, hurried).await);
        let failed = std::mem::take(&mut *self.inner.failures.lock().unwrap_or_else(PoisonError::into_inner));
        let refused = self.inner.refusal.get().cloned();
        if failed.is_empty() && unfinished.is_empty() && refused.is_none() {
            Ok(())
        } else {
            Err(DrainError {
                refused,
                failed,
                unfinished,
            })
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("running", &self.inner.work.names())
            .finish_non_exhaustive()
    }
}
