//! Many creations in one request: as a document of at most [`batch::MAX_ITEMS`], or as a stream of any length.
//!
//! A line is a command like any other: with a key of its own, in a transaction with what else is there, and with an outcome
//! of its own. The lines of all such requests take half of the places of commands at most, so that the other half is for those
//! that come one by one.

pub mod batch;
pub mod import;
mod line;
pub mod lines;
mod outcome;
mod pump;

use std::{sync::Arc, time::Duration};

use depot_retry::Bulkhead;
use depot_service::{auth::Door, shutdown::Shutdown};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use outcome::OutcomeBody;

use super::executor::Executor;

/// Lines of one request that are under way at once: what a transaction takes, unless it is set otherwise.
const AT_ONCE: usize = 64;

/// Bounds of requests that bring many commands.
#[derive(Debug, Clone, Copy)]
pub struct BulkSettings {
    /// Imports under way at once; what comes beyond is answered 503 at once.
    pub max_imports: usize,
    /// How long a client of an import may send nothing, or read nothing.
    pub idle: Duration,
    /// The longest line of an import.
    pub max_line_bytes: usize,
    /// Lines of all requests that are under way at once.
    pub max_lines: usize,
}

/// What such requests are run with. Cheap to clone.
#[derive(Clone)]
pub struct Bulk {
    executor: Executor,
    door: Arc<Door>,
    imports: Bulkhead,
    /// Of lines. They wait for a place, and so for each other: nobody else does.
    places: Arc<Semaphore>,
    /// Owns the imports.
    tasks: TaskTracker,
    stop: CancellationToken,
    settings: BulkSettings,
}

impl Bulk {
    /// Imports that are under way when the process drains end at the line where they are, and are waited for.
    pub fn new(executor: Executor, door: Arc<Door>, shutdown: &Shutdown, settings: BulkSettings) -> Self {
        let (tasks, stop) = (TaskTracker::new(), shutdown.token());
        let (under_way, stopped) = (tasks.clone(), stop.clone());
        shutdown.spawn("imports", async move {
            stopped.cancelled().await;
            under_way.close();
            under_way.wait().await;
        });
        Self {
            executor,
            door,
            imports: Bulkhead::new("imports", settings.max_imports),
            places: Arc::new(Semaphore::new(settings.max_lines.max(1))),
            tasks,
            stop,
            settings,
        }
    }
}
