//! Which alarm is rehearsed where: how it is planted, and what the page's commands have to show of it then.

/// A test, which has a Depot of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Runs always.
    Usual,
    Processes,
    Dependencies,
    Pools,
    Views,
    Outbox,
    Sagas,
}

pub struct Row {
    pub alert: &'static str,
    pub group: Group,
    /// For the reader; the test of the group does it.
    pub planted: &'static str,
    /// Words that the commands of the page print while it fires.
    pub shown: &'static [&'static str],
}

const fn row(
    alert: &'static str,
    group: Group,
    planted: &'static str,
    shown: &'static [&'static str],
) -> Row {
    Row {
        alert,
        group,
        planted,
        shown,
    }
}

use Group::{Dependencies, Outbox, Pools, Processes, Sagas, Usual, Views};

pub const ROWS: &[Row] = &[
    row(
        "DepotProcessDown",
        Usual,
        "the projector is killed",
        &["[service_away]", "projector"],
    ),
    row(
        "DepotDeadLettersOpen",
        Usual,
        "a message that is no JSON",
        &["not_json", "no JSON"],
    ),
    row(
        "DepotServiceAbsent",
        Processes,
        "Prometheus is told of no uploader",
        &["command-api", "query-api", "projector"],
    ),
    row(
        "DepotRestarts",
        Processes,
        "the projector is killed three times",
        &["projector", "[service_"],
    ),
    row(
        "DepotFilesNearLimit",
        Processes,
        "the limit of a running process is lowered to what it has open",
        &["Max open files", "projector"],
    ),
    row(
        "DepotMemoryNearLimit",
        Processes,
        "the running process is taken into a control group that may have little more than it has",
        &["projector"],
    ),
    row(
        "DepotServiceNotReady",
        Dependencies,
        "query-api's way to Postgres is shut",
        &["[service_not_ready]", "query-api"],
    ),
    row(
        "DepotInstanceNotReady",
        Dependencies,
        "the same",
        &["[service_not_ready]", "query-api"],
    ),
    row(
        "DepotBreakerOpen",
        Dependencies,
        "the same, and somebody reads",
        &["postgres", "query-api"],
    ),
    row(
        "DepotErrorBudgetBurnsFast",
        Dependencies,
        "the same",
        &["query-api", "5xx", "database"],
    ),
    row(
        "DepotErrorBudgetBurnsSlowly",
        Dependencies,
        "the same",
        &["query-api", "5xx", "database"],
    ),
    row(
        "DepotCacheDown",
        Dependencies,
        "the way to Redis is shut",
        &["[redis_away]"],
    ),
    row(
        "DepotCachePending",
        Dependencies,
        "Redis has no memory left and lets go of nothing",
        &["[redis_never_evicts]", "noeviction"],
    ),
    row(
        "DepotUploadsNotProgressing",
        Dependencies,
        "the uploader's way to the object store is shut",
        &["awaiting_file", "received"],
    ),
    row(
        "DepotTokenKeysStale",
        Dependencies,
        "the way to the issuer's keys is shut",
        &["failed", "command-api"],
    ),
    row(
        "DepotHistoryPartitionsMissing",
        Dependencies,
        "partitions ahead are removed, and a session holds the lock under which they are made",
        &["item_history_first", "[transaction_old]"],
    ),
    row(
        "DepotPoolExhausted",
        Pools,
        "a session locks the items, and commands come",
        &["pg_terminate_backend", "active"],
    ),
    row(
        "DepotBulkheadRefuses",
        Pools,
        "the same",
        &["commands", "pg_terminate_backend"],
    ),
    row(
        "DepotPoolTimesOut",
        Pools,
        "a session locks the view of items, and lists are read",
        &["pg_terminate_backend", "query-api"],
    ),
    row(
        "DepotConsumerLate",
        Views,
        "a session locks the view of items, and items are created",
        &["events", "pg_terminate_backend"],
    ),
    row(
        "DepotConsumerStandsStill",
        Views,
        "the same",
        &["[group_behind]", ".projector"],
    ),
    row(
        "DepotProcessingFails",
        Views,
        "the same",
        &[".projector", "pg_terminate_backend"],
    ),
    row(
        "DepotVisibleDelayBurnsFast",
        Views,
        "each write of the view takes more than a second",
        &["PgSleep", "command-api"],
    ),
    row(
        "DepotVisibleDelayBurnsSlowly",
        Views,
        "the same",
        &["PgSleep", "command-api"],
    ),
    row(
        "DepotPartitionStopped",
        Views,
        "a stored offset is moved behind the end of the log",
        &["[offset_outside]", "outside the log"],
    ),
    row(
        "DepotOutboxNotDraining",
        Outbox,
        "the way to Kafka is shut",
        &["[kafka_away]", "rows"],
    ),
    row(
        "DepotOutboxAggregateParked",
        Outbox,
        "a topic takes small messages only",
        &["[aggregate_parked]", "[kafka_unfit]"],
    ),
    row(
        "DepotOutboxWithoutLeader",
        Outbox,
        "command-api runs without a relay",
        &["[shards_unheld]", "RELAY_ENABLED"],
    ),
    row(
        "DepotOutboxOrderViolated",
        Outbox,
        "an event is written twice",
        &["came after the same or a newer version"],
    ),
    row(
        "DepotDeadLettersOld",
        Sagas,
        "a letter is dated two days back",
        &["not_json"],
    ),
    row(
        "DepotSagasStuck",
        Sagas,
        "a saga is put among the stuck",
        &["upload", "stuck"],
    ),
    row(
        "DepotSagaDeadlinesFail",
        Sagas,
        "no upload can be changed, and deadlines pass",
        &["failed", "upload"],
    ),
    row(
        "DepotSagaDeadlinesMissed",
        Sagas,
        "a deadline passes, and no command-api runs sagas",
        &["[deadline_missed]"],
    ),
    row(
        "DepotSweepFails",
        Sagas,
        "the uploader, which a sweep asks, is killed",
        &["The uploader does not answer"],
    ),
    row(
        "DepotSweepLeft",
        Sagas,
        "staged bytes of an upload that nobody knows",
        &["unknown_staged"],
    ),
];
