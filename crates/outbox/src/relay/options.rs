use std::time::Duration;

/// How a relay works. The defaults serve; `brokers` and `instance` have to be set.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Kafka's bootstrap servers, `host:port,…`.
    pub brokers: String,
    /// Further settings of the Kafka client, for example of its security. They cannot weaken what order rests on.
    pub kafka: Vec<(String, String)>,
    /// Names this process in `outbox_relays` and in logs.
    pub instance: String,
    /// For how long a shard stays with a relay that is heard of no more. With `claim_interval` it bounds the time
    /// that a stopped relay's shards stand still.
    pub lease: Duration,
    /// How often leases are renewed.
    pub heartbeat: Duration,
    /// How often shards without a holder are looked for.
    pub claim_interval: Duration,
    /// Rows and bytes of a shard taken by one poll; if more is new, it is a backlog.
    pub page_rows: i64,
    pub page_bytes: i64,
    /// The same while a shard works off a backlog.
    pub backlog_page_rows: i64,
    pub backlog_page_bytes: i64,
    /// Nothing more is read while this many rows wait for their reports.
    pub max_rows_in_flight: usize,
    /// How long the Kafka client waits for a batch to fill.
    pub linger: Duration,
    /// How often positions are written. Longer repeats more after a crash; shorter leaves more dead rows behind
    /// while somebody holds an old snapshot.
    pub save_interval: Duration,
    /// Pause between polls after one that found something, and the longest after those that found nothing.
    pub poll_busy: Duration,
    pub poll_idle: Duration,
    /// Ids a partition.
    pub partition_rows: i64,
    /// Empty partitions to keep ahead of the newest id.
    pub partitions_ahead: i32,
    /// How often partitions are added and dropped, and the backlog is measured.
    pub upkeep_interval: Duration,
    /// The longest that a statement may take.
    pub statement_limit: Duration,
    /// The longest that a shutdown waits for reports of what is in flight.
    pub drain_limit: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            kafka: Vec::new(),
            instance: "relay".to_owned(),
            lease: Duration::from_secs(8),
            heartbeat: Duration::from_secs(2),
            claim_interval: Duration::from_secs(1),
            page_rows: 500,
            page_bytes: 512 * 1024,
            backlog_page_rows: 4_000,
            backlog_page_bytes: 4 * 1024 * 1024,
            max_rows_in_flight: 20_000,
            linger: Duration::from_millis(2),
            save_interval: Duration::from_secs(1),
            poll_busy: Duration::from_millis(10),
            poll_idle: Duration::from_millis(250),
            partition_rows: 1_000_000,
            partitions_ahead: 4,
            upkeep_interval: Duration::from_secs(5),
            statement_limit: Duration::from_secs(4),
            drain_limit: Duration::from_secs(10),
        }
    }
}
