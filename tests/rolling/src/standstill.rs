use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};

const TICK: Duration = Duration::from_millis(50);

/// The longest time for which this process itself did not get on: what clients noticed then is the machine's doing, or may be.
pub struct Standstill {
    longest_ms: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Standstill {
    /// Looks on from now on, until it is dropped.
    pub fn watch() -> Self {
        let longest_ms = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&longest_ms);
        let task = tokio::spawn(async move {
            loop {
                let begun = Instant::now();
                tokio::time::sleep(TICK).await;
                let late = begun.elapsed().saturating_sub(TICK).as_millis() as u64;
                noted.fetch_max(late, Ordering::Relaxed);
            }
        });
        Self { longest_ms, task }
    }

    pub fn longest_ms(&self) -> u64 {
        self.longest_ms.load(Ordering::Relaxed)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        self.task.abort();
    }
}
