//! The crate's metrics, declared once.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

pub(crate) const UNPUBLISHED_ROWS: &str = "depot_outbox_unpublished_rows";
pub(crate) const OLDEST_SECONDS: &str = "depot_outbox_oldest_unpublished_seconds";
pub(crate) const SHARDS_HELD: &str = "depot_outbox_shards_held";
pub(crate) const EPOCH: &str = "depot_outbox_epoch_max";
pub(crate) const PUBLISHED: &str = "depot_outbox_published_total";
pub(crate) const BATCH_ROWS: &str = "depot_outbox_batch_rows";
pub(crate) const FAILED_REPORTS: &str = "depot_outbox_failed_reports_total";
pub(crate) const PARKED_AGGREGATES: &str = "depot_outbox_parked_aggregates";
pub(crate) const ORDER_VIOLATIONS: &str = "depot_outbox_order_violations_total";
pub(crate) const RELAY_FAULTS: &str = "depot_outbox_relay_faults_total";
pub(crate) const SHARDS_LOST: &str = "depot_outbox_shards_lost_total";

/// Says what each metric means. Further calls change nothing.
pub(crate) fn describe() {
    describe_gauge!(
        UNPUBLISHED_ROWS,
        Unit::Count,
        "Rows waiting in the shards held, counted up to a limit a shard"
    );
    describe_gauge!(
        OLDEST_SECONDS,
        Unit::Seconds,
        "Age of the oldest row waiting in the shards held"
    );
    describe_gauge!(SHARDS_HELD, Unit::Count, "Shards that this relay holds");
    describe_gauge!(
        EPOCH,
        Unit::Count,
        "The largest epoch among the shards held: grows with each change of holder"
    );
    describe_counter!(PUBLISHED, Unit::Count, "Rows acknowledged by Kafka");
    describe_histogram!(BATCH_ROWS, Unit::Count, "Rows found by a poll that found any");
    describe_counter!(
        FAILED_REPORTS,
        Unit::Count,
        "Times that the relay stopped for a failed delivery report"
    );
    describe_gauge!(
        PARKED_AGGREGATES,
        Unit::Count,
        "Aggregates of the shards held that wait to be resumed"
    );
    describe_counter!(
        ORDER_VIOLATIONS,
        Unit::Count,
        "Rows whose version was not above the one sent before"
    );
    describe_counter!(
        RELAY_FAULTS,
        Unit::Count,
        "Rounds that a fault ended, by dependency: postgres or kafka; the relay tries again"
    );
    describe_counter!(
        SHARDS_LOST,
        Unit::Count,
        "Shards that another relay took while this one held them"
    );
    // Present from the start: an alert on a series that does not exist yet never fires, and misses its first step.
    for name in [PUBLISHED, FAILED_REPORTS, ORDER_VIOLATIONS, SHARDS_LOST] {
        counter!(name).increment(0);
    }
    for dependency in ["postgres", "kafka"] {
        counter!(RELAY_FAULTS, "dependency" => dependency).increment(0);
    }
}
