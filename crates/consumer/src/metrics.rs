//! The metrics of this crate, declared once.

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const RECORDS: &str = "depot_consumer_records_total";
const TRANSIENT: &str = "depot_consumer_transient_failures_total";
const BATCHES: &str = "depot_consumer_batches_total";
const COMMITS: &str = "depot_consumer_commits_total";
const REBALANCES: &str = "depot_consumer_rebalances_total";
const HANDLE_SECONDS: &str = "depot_consumer_handle_seconds";
const ASSIGNED: &str = "depot_consumer_assigned_partitions";
const STOPPED: &str = "depot_consumer_stopped_partitions";
const LAG_MESSAGES: &str = "depot_consumer_lag_messages";
const LAG_SECONDS: &str = "depot_consumer_lag_seconds";

/// Gives every metric its unit and help text. Call it once, after the recorder is installed.
pub fn describe_metrics() {
    describe_counter!(
        RECORDS,
        Unit::Count,
        "Records passed, by outcome: processed, dead_lettered or retried (sent to a retry topic)"
    );
    describe_counter!(
        TRANSIENT,
        Unit::Count,
        "Attempts that failed on a dependency and were retried"
    );
    describe_counter!(
        BATCHES,
        Unit::Count,
        "Batches, by outcome: stored, reload (the stored offset was another) or split"
    );
    describe_counter!(
        COMMITS,
        Unit::Count,
        "Offset commits to Kafka, by outcome: ok or failed"
    );
    describe_counter!(
        REBALANCES,
        Unit::Count,
        "Rebalances, by kind: assign, revoke or lost"
    );
    describe_histogram!(HANDLE_SECONDS, Unit::Seconds, "Time of one call of a handler");
    describe_gauge!(ASSIGNED, Unit::Count, "Partitions assigned to this process");
    describe_gauge!(
        STOPPED,
        Unit::Count,
        "Assigned partitions that are stopped, which a person must look at"
    );
    describe_gauge!(
        LAG_MESSAGES,
        Unit::Count,
        "Messages between the next offset and the end of the log"
    );
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "Age of the oldest record that was taken and isn't done"
    );
}

/// The instruments of one partition's topic, looked up once an assignment.
#[derive(Clone)]
pub(crate) struct PartitionMetrics {
    pub(crate) processed: Counter,
    pub(crate) dead_lettered: Counter,
    pub(crate) retried: Counter,
    pub(crate) transient: Counter,
    pub(crate) batches_stored: Counter,
    pub(crate) batches_reloaded: Counter,
    pub(crate) batches_split: Counter,
    pub(crate) handle_seconds: Histogram,
}

impl PartitionMetrics {
    pub(crate) fn of(group: &str, topic: &str) -> Self {
        let labels = |outcome: &'static str| {
            [
                ("group", group.to_owned()),
                ("topic", topic.to_owned()),
                ("outcome", outcome.to_owned()),
            ]
        };
        let place = || [("group", group.to_owned()), ("topic", topic.to_owned())];
        Self {
            processed: counter!(RECORDS, &labels("processed")),
            dead_lettered: counter!(RECORDS, &labels("dead_lettered")),
            retried: counter!(RECORDS, &labels("retried")),
            transient: counter!(TRANSIENT, &place()),
            batches_stored: counter!(BATCHES, &labels("stored")),
            batches_reloaded: counter!(BATCHES, &labels("reload")),
            batches_split: counter!(BATCHES, &labels("split")),
            handle_seconds: histogram!(HANDLE_SECONDS, &place()),
        }
    }
}

impl std::fmt::Debug for PartitionMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionMetrics").finish_non_exhaustive()
    }
}

pub(crate) fn count_commit(group: &str, ok: bool) {
    let outcome = if ok { "ok" } else { "failed" };
    counter!(COMMITS, "group" => group.to_owned(), "outcome" => outcome).increment(1);
}

pub(crate) fn count_rebalance(group: &str, kind: &'static str) {
    counter!(REBALANCES, "group" => group.to_owned(), "kind" => kind).increment(1);
}

pub(crate) fn set_partitions(group: &str, assigned: usize, stopped: usize) {
    gauge!(ASSIGNED, "group" => group.to_owned()).set(assigned as f64);
    gauge!(STOPPED, "group" => group.to_owned()).set(stopped as f64);
}

pub(crate) fn set_lag(group: &str, topic: &str, partition: i32, messages: i64, seconds: f64) {
    let labels = [
        ("group", group.to_owned()),
        ("topic", topic.to_owned()),
        ("partition", partition.to_string()),
    ];
    gauge!(LAG_MESSAGES, &labels).set(messages as f64);
    gauge!(LAG_SECONDS, &labels).set(seconds);
}

#[cfg(test)]
mod tests {
    use super::{PartitionMetrics, count_commit, count_rebalance, describe_metrics, set_lag, set_partitions};
    use crate::unconnected::metrics_of;

    fn everything_happens() {
        let metrics = PartitionMetrics::of("g", "t");
        metrics.processed.increment(1);
        metrics.dead_lettered.increment(2);
        metrics.retried.increment(3);
        metrics.transient.increment(4);
        metrics.batches_stored.increment(5);
        metrics.batches_reloaded.increment(6);
        metrics.batches_split.increment(7);
        metrics.handle_seconds.record(0.5);
        count_commit("g", true);
        count_commit("g", false);
        count_commit("g", false);
        count_rebalance("g", "lost");
        set_partitions("g", 3, 2);
        set_lag("g", "t", 4, 7, 1.5);
    }

    #[test]
    fn what_happens_is_told_under_the_names_and_labels_that_alerts_stand_on() {
        let text = metrics_of(everything_happens);
        let samples = [
            r#"depot_consumer_records_total{group="g",topic="t",outcome="processed"} 1"#,
            r#"depot_consumer_records_total{group="g",topic="t",outcome="dead_lettered"} 2"#,
            r#"depot_consumer_records_total{group="g",topic="t",outcome="retried"} 3"#,
            r#"depot_consumer_transient_failures_total{group="g",topic="t"} 4"#,
            r#"depot_consumer_batches_total{group="g",topic="t",outcome="stored"} 5"#,
            r#"depot_consumer_batches_total{group="g",topic="t",outcome="reload"} 6"#,
            r#"depot_consumer_batches_total{group="g",topic="t",outcome="split"} 7"#,
            r#"depot_consumer_handle_seconds_count{group="g",topic="t"} 1"#,
            r#"depot_consumer_commits_total{group="g",outcome="ok"} 1"#,
            r#"depot_consumer_commits_total{group="g",outcome="failed"} 2"#,
            r#"depot_consumer_rebalances_total{group="g",kind="lost"} 1"#,
            r#"depot_consumer_assigned_partitions{group="g"} 3"#,
            r#"depot_consumer_stopped_partitions{group="g"} 2"#,
            r#"depot_consumer_lag_messages{group="g",topic="t",partition="4"} 7"#,
            r#"depot_consumer_lag_seconds{group="g",topic="t",partition="4"} 1.5"#,
        ];
        for sample in samples {
            assert!(
                text.lines().any(|line| line == sample),
                "{sample} is missing: {text}"
            );
        }
    }

    #[test]
    fn each_metric_is_described() {
        let text = metrics_of(|| {
            describe_metrics();
            everything_happens();
        });
        let names = |kind: &str| -> Vec<&str> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
            lines.filter_map(|line| line.split(' ').next()).collect()
        };
        let (described, told) = (names("# HELP "), names("# TYPE "));
        assert_eq!(told.len(), 10, "{text}");
        assert!(told.iter().all(|name| described.contains(name)), "{text}");
    }
}
