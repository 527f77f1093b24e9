//! The metrics that every process has, and their rendering for Prometheus.
//!
//! Declared once, with unit and description, and present from the start: `depot_request_latency_seconds`,
//! `depot_requests_total`, `depot_errors_total`, `depot_tasks_count`, `depot_db_conn_count`; besides them what the runtime,
//! the pools and the system tell of the process. A crate with metrics of its own describes them itself.

mod memory_limit;
mod pools;
mod process;
mod reading;
mod requests;
mod runtime;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::database::{self, Pool};

pub use requests::record_request;

/// Time from a request's head to its answer's head; labels `method`, `route`, `status` (a class such as `2xx`).
pub const REQUEST_LATENCY_SECONDS: &str = "depot_request_latency_seconds";
/// Answered requests; labels as for the latency.
pub const REQUESTS_TOTAL: &str = "depot_requests_total";
/// Faults; labels `component` (`http`, `relay`, `consumer`, …) and `kind`.
pub const ERRORS_TOTAL: &str = "depot_errors_total";
/// Tasks alive in the async runtime.
pub const TASKS_COUNT: &str = "depot_tasks_count";
/// Open database connections; label `state` (`idle`, `in_use`).
pub const DB_CONN_COUNT: &str = "depot_db_conn_count";
/// The most database connections that the process opens.
pub const DB_CONN_LIMIT: &str = "depot_db_conn_limit";
/// Always 1; label `version`.
const BUILD_INFO: &str = "depot_build_info";

/// From half a millisecond to ten seconds: a cached read is under one millisecond, a read that waits for a version
/// takes seconds.
const LATENCY_BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002, 0.003, 0.005, 0.007_5, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// What is counted in one step: rows, events, commands. The largest step takes some thousands.
const SIZE_BUCKETS: &[f64] = &[
    1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
];
/// The ends of the names of such histograms.
const SIZES: [&str; 4] = ["_rows", "_events", "_batches", "_size"];
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Why metrics are not recorded.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Another recorder was installed in this process.
    #[error("another metrics recorder is installed in this process")]
    AlreadyInstalled,
    /// The exporter refuses its settings.
    #[error("the metrics exporter refuses its settings")]
    Settings(#[from] BuildError),
}

/// The process's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    pools: Arc<Mutex<Vec<Pool>>>,
}

impl Metrics {
    /// Installs the recorder of the process and declares the metrics that all services have.
    ///
    /// There is one recorder a process; a second call returns it again, so that tests may run several services.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn install() -> Result<Self, MetricsError> {
        static INSTALLED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
        let builder = builder()?;
        let handle = INSTALLED.get_or_init(|| {
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            requests::forget();
            process::begin();
            declare();
            Some(handle)
        });
        let handle = handle.clone().ok_or(MetricsError::AlreadyInstalled)?;
        Ok(Self {
            handle,
            pools: Arc::default(),
        })
    }

    /// Counts the connections of this pool in `depot_db_conn_count`.
    pub fn watch_pool(&self, pool: &Pool) {
        self.pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pool.clone());
    }

    /// All metrics in Prometheus' text format, with the gauges of this moment.
    #[must_use]
    pub fn render(&self) -> String {
        self.sample();
        let mut text = self.handle.render();
        reading::append(&mut text, &runtime::read());
        reading::append(&mut text, &process::read());
        text
    }

    /// Keeps the memory of histograms bounded between scrapes, until cancelled.
    pub async fn run_upkeep(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(UPKEEP_INTERVAL))
            .await
            .is_some()
        {
            self.sample();
            self.handle.run_upkeep();
        }
    }

    /// Measures how long each watched pool lets one wait for a connection, until cancelled.
    pub async fn measure_waits(self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(database::MEASURED_EVERY))
            .await
            .is_some()
        {
            let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner).clone();
            stop.run_until_cancelled(database::measure(&pools)).await;
        }
    }

    fn sample(&self) {
        runtime::sample_tasks();
        pools::sample(&self.pools.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Counts a fault. `component` and `kind` are words from a small, fixed set.
pub fn count_error(component: &'static str, kind: &'static str) {
    counter!(ERRORS_TOTAL, "component" => component, "kind" => kind).increment(1);
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, LATENCY_BUCKETS)?;
    SIZES.into_iter().try_fold(builder, |builder, end| {
        builder.set_buckets_for_metric(Matcher::Suffix(end.to_owned()), SIZE_BUCKETS)
    })
}

fn declare() {
    describe_histogram!(
        REQUEST_LATENCY_SECONDS,
        Unit::Seconds,
        "Time from the head of a request to the head of its answer."
    );
    describe_counter!(REQUESTS_TOTAL, Unit::Count, "Answered requests.");
    describe_counter!(
        ERRORS_TOTAL,
        Unit::Count,
        "Faults, by the component that met them."
    );
    describe_gauge!(TASKS_COUNT, Unit::Count, "Tasks alive in the async runtime.");
    describe_gauge!(DB_CONN_COUNT, Unit::Count, "Open database connections, by state.");
    describe_gauge!(
        DB_CONN_LIMIT,
        Unit::Count,
        "The most database connections that this process opens."
    );
    describe_gauge!(BUILD_INFO, Unit::Count, "Always 1; says which version runs.");
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // Present from the start: an alert on a series that does not exist yet never fires.
    let labels = [("method", "GET"), ("route", "/livez"), ("status", "2xx")];
    counter!(REQUESTS_TOTAL, &labels).increment(0);
    let _registered_without_a_sample = histogram!(REQUEST_LATENCY_SECONDS, &labels);
    counter!(ERRORS_TOTAL, "component" => "http", "kind" => "5xx").increment(0);
    database::declare();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_a_sample_before_anything_happened() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            declare();
            runtime::sample_tasks();
            pools::sample(&[]);
            // As the other crates have it, of how much is done in one step.
            histogram!("depot_test_batch_rows").record(3.0);
        });
        let text = recorder.handle().render();
        let first_samples = [
            format!("{REQUEST_LATENCY_SECONDS}_count{{method=\"GET\",route=\"/livez\",status=\"2xx\"}} 0"),
            format!("{REQUESTS_TOTAL}{{method=\"GET\",route=\"/livez\",status=\"2xx\"}} 0"),
            format!("{ERRORS_TOTAL}{{component=\"http\",kind=\"5xx\"}} 0"),
            format!("{TASKS_COUNT} 0"),
            format!("{DB_CONN_COUNT}{{state=\"idle\"}} 0"),
            format!("{DB_CONN_LIMIT} 0"),
            format!("{BUILD_INFO}{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
            "depot_db_acquire_seconds_count 0".to_owned(),
            "depot_db_acquire_timeouts_total 0".to_owned(),
            "depot_test_batch_rows_bucket{le=\"2\"} 0".to_owned(),
            "depot_test_batch_rows_bucket{le=\"3\"} 1".to_owned(),
        ];
        for sample in first_samples {
            assert!(
                text.lines().any(|line| line == sample),
                "{sample} is missing: {text}"
            );
        }
    }
}
