//! The async runtime, as it tells of itself without unstable features.

use std::time::Duration;

use metrics::gauge;
use tokio::runtime::Handle;

use super::{TASKS_COUNT, reading::Reading};

const WORKERS: &str = "depot_runtime_workers";
const BUSY: &str = "depot_runtime_busy_seconds_total";
const PARKS: &str = "depot_runtime_parks_total";
const QUEUED: &str = "depot_runtime_global_queue_tasks";

pub(super) fn sample_tasks() {
    let alive = Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    gauge!(TASKS_COUNT).set(alive as f64);
}

/// Nothing outside of a runtime.
pub(super) fn read() -> Vec<Reading> {
    let Ok(runtime) = Handle::try_current() else {
        return Vec::new();
    };
    let runtime = runtime.metrics();
    let workers = 0..runtime.num_workers();
    let busy: Duration = workers
        .clone()
        .map(|worker| runtime.worker_total_busy_duration(worker))
        .sum();
    let parks: u64 = workers.map(|worker| runtime.worker_park_count(worker)).sum();
    vec![
        Reading::gauge(WORKERS, "Threads that run tasks.", runtime.num_workers() as f64),
        Reading::counter(
            BUSY,
            "Time for which those threads ran tasks, all together; as much as there are threads is full load.",
            busy.as_secs_f64(),
        ),
        Reading::counter(
            PARKS,
            "Times that such a thread found nothing to do and slept.",
            parks as f64,
        ),
        Reading::gauge(
            QUEUED,
            "Tasks that can run and that no thread has taken yet.",
            runtime.global_queue_depth() as f64,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_runtime_tells_its_threads_and_how_busy_they_are() {
        let readings = read();
        let of = |name: &str| readings.iter().find(|reading| reading.name == name).unwrap();
        assert_eq!(of(WORKERS).value, 2.0);
        assert!(of(BUSY).value >= 0.0 && of(PARKS).value >= 0.0 && of(QUEUED).value >= 0.0);
    }

    #[test]
    fn outside_of_a_runtime_there_is_nothing_to_tell() {
        assert!(read().is_empty());
    }
}
