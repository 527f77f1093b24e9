//! Named tasks that are stopped together.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Names = Arc<Mutex<BTreeMap<u64, String>>>;

#[derive(Default)]
pub(super) struct TaskGroup {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
    names: Names,
    next_id: AtomicU64,
}

impl TaskGroup {
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The names of the tasks that have not ended, in the order of spawning.
    pub(super) fn running(&self) -> Vec<String> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    pub(super) fn spawn(&self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, name.to_owned());
        let entry = Entry {
            id,
            names: Arc::clone(&self.names),
        };
        let kill = self.kill.clone();
        // The tracker keeps the task; its handle is not needed, since outcomes are reported by the task itself.
        drop(self.tracker.spawn(async move {
            let _entry = entry;
            let _killed = kill.run_until_cancelled(task).await;
        }));
    }

    /// Asks all tasks to end and waits, until the deadline or a hurry. Those that have not ended then are dropped and
    /// returned.
    pub(super) async fn stop(&self, deadline: Duration, hurry: &CancellationToken) -> Vec<String> {
        self.stop.cancel();
        self.tracker.close();
        let in_time = hurry
            .run_until_cancelled(tokio::time::timeout(deadline, self.tracker.wait()))
            .await;
        if matches!(in_time, Some(Ok(()))) {
            return Vec::new();
        }
        let unfinished = self.running();
        self.kill.cancel();
        unfinished
    }
}

/// Takes the name out when the task ends, in whatever way.
struct Entry {
    id: u64,
    names: Names,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}
