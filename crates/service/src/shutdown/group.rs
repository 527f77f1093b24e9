//! Named tasks that are stopped together.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::roster::Roster;

#[derive(Default)]
pub(super) struct TaskGroup {
    stop: CancellationToken,
    kill: CancellationToken,
    tasks: Roster<Task>,
}

/// A task that was spawned.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) since: Instant,
}

impl TaskGroup {
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The tasks that have not ended, in the order of spawning.
    pub(super) fn running(&self) -> Vec<Task> {
        self.tasks.present()
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.running().into_iter().map(|task| task.name).collect()
    }

    pub(super) fn spawn(&self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        let spawned = Task {
            name: name.to_owned(),
            since: Instant::now(),
        };
        let (entry, kill) = (self.tasks.enter(spawned), self.kill.clone());
        // The runtime keeps the task; its handle is not needed, since outcomes are reported by the task itself.
        drop(tokio::spawn(async move {
            // Declared before the task is run, and so dropped when nothing of the task is left.
            let _entry = entry;
            let _killed = kill.run_until_cancelled(task).await;
        }));
    }

    /// Asks all tasks to end and waits, until the deadline or a hurry. Those that have not ended then are dropped and
    /// returned.
    pub(super) async fn stop(&self, deadline: Duration, hurry: &CancellationToken) -> Vec<String> {
        self.stop.cancel();
        let in_time = hurry
            .run_until_cancelled(tokio::time::timeout(deadline, self.tasks.empty()))
            .await;
        if matches!(in_time, Some(Ok(()))) {
            return Vec::new();
        }
        let unfinished = self.names();
        self.kill.cancel();
        unfinished
    }
}
