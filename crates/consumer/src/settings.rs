//! Settings of a consumer, with the client configuration that follows from them.

use std::time::Duration;

use rdkafka::ClientConfig;

use crate::error::ConsumerError;

/// How the group shares partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// KIP-848: the broker assigns. Needs Apache Kafka 4.0 or later; session timeout and heartbeat are settings of the
    /// group on the broker.
    #[default]
    Consumer,
    /// The classic protocol with the cooperative-sticky assignor, for older brokers.
    CooperativeSticky,
}

/// Where to begin a partition for which the group has committed nothing. An offset that *was* committed and is outside
/// the log never falls back to this: it stops the partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartWithoutOffset {
    /// At the oldest record.
    #[default]
    Earliest,
    /// After the newest record.
    Latest,
}

/// Settings of one consumer. Start from [`ConsumerSettings::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// `group.id`.
    pub group: String,
    /// The topics to subscribe to.
    pub topics: Vec<String>,
    /// A topic of this group alone, subscribed to beside the others, by which its dead letters come back: each is
    /// handled as a message of the topic that it was read from first.
    pub redrive_topic: Option<String>,
    /// The group that dead letters name as theirs, and that those name which come back; [`group`](Self::group) where none is
    /// set. For groups that stand for one reader, of which one at a time writes dead letters.
    pub dead_letter_group: Option<String>,
    /// `client.id`; shown in the broker's logs and group descriptions.
    pub client_id: String,
    /// How the group shares partitions.
    pub protocol: GroupProtocol,
    /// Keyed consumers: where to begin without a committed offset.
    pub start: StartWithoutOffset,
    /// Keyed consumers: how many records of one partition are handled at once.
    pub max_concurrency: usize,
    /// Keyed consumers: how many records of one partition may be taken and not yet passed by the watermark. It bounds
    /// the memory of a partition, and how much a crash repeats.
    pub max_window: usize,
    /// Batch consumers: the most records in a batch. There is no timer: a batch is what gathered meanwhile.
    pub max_batch_records: usize,
    /// Batch consumers: the most bytes in a batch (one record at least).
    pub max_batch_bytes: usize,
    /// How often advanced watermarks are committed to Kafka.
    pub commit_interval: Duration,
    /// How long a revoked partition's work may take to end before it is dropped. The rebalance waits for it.
    pub revoke_grace: Duration,
    /// How long a shutdown waits for work in flight before that is cancelled.
    pub drain_deadline: Duration,
    /// The first delay after a transient failure.
    pub backoff_initial: Duration,
    /// The longest delay between attempts.
    pub backoff_max: Duration,
    /// Records that the client may hold ready for one partition beyond those taken.
    pub prefetch_records: u32,
    /// Kilobytes that the client may hold ready for one partition.
    pub prefetch_kbytes: u32,
    /// More client settings (`security.protocol`, `sasl.*`), applied last but before those that this crate's promises
    /// rest on.
    pub client_settings: Vec<(String, String)>,
}

impl ConsumerSettings {
    /// Settings with the defaults: KIP-848, earliest, 16 at once in a window of 1,000, batches of 500 records or 8 MiB,
    /// commits every 500 ms, 3 s of grace, 20 s to drain, delays of 100 ms to 15 s, 1,000 records or 4 MiB prefetched.
    pub fn new<T: Into<String>>(
        brokers: impl Into<String>,
        group: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
    ) -> Self {
        let group = group.into();
        Self {
            brokers: brokers.into(),
            client_id: group.clone(),
            group,
            topics: topics.into_iter().map(Into::into).collect(),
            redrive_topic: None,
            dead_letter_group: None,
            protocol: GroupProtocol::default(),
            start: StartWithoutOffset::default(),
            max_concurrency: 16,
            max_window: 1_000,
            max_batch_records: 500,
            max_batch_bytes: 8 * 1024 * 1024,
            commit_interval: Duration::from_millis(500),
            revoke_grace: Duration::from_secs(3),
            drain_deadline: Duration::from_secs(20),
            backoff_initial: Duration::from_millis(100),
            backoff_max: Duration::from_secs(15),
            prefetch_records: 1_000,
            prefetch_kbytes: 4 * 1024,
            client_settings: Vec::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConsumerError> {
        let faults = [
            (self.topics.is_empty(), "topics: at least one is needed"),
            (self.group.is_empty(), "group: must not be empty"),
            (self.max_concurrency == 0, "max_concurrency: must be at least 1"),
            (
                self.max_window < self.max_concurrency,
                "max_window: must be at least max_concurrency",
            ),
            (
                self.max_batch_records == 0,
                "max_batch_records: must be at least 1",
            ),
            (
                self.backoff_initial.is_zero(),
                "backoff_initial: must be above zero",
            ),
            (
                self.backoff_max < self.backoff_initial,
                "backoff_max: must be at least backoff_initial",
            ),
            (self.prefetch_records == 0, "prefetch_records: must be at least 1"),
        ];
        let found: Vec<&str> = faults
            .iter()
            .filter(|(bad, _)| *bad)
            .map(|(_, message)| *message)
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        Err(ConsumerError::Settings {
            group: self.group.clone(),
            message: found.join("; "),
        })
    }

    /// The group that dead letters name.
    pub(crate) fn letters_of(&self) -> &str {
        self.dead_letter_group.as_deref().unwrap_or(&self.group)
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("client.id", &self.client_id)
            .set("queued.min.messages", self.prefetch_records.to_string())
            .set("queued.max.messages.kbytes", self.prefetch_kbytes.to_string())
            // A full queue is looked at again soon: the default of a second would cap throughput at one queue a second.
            .set("fetch.queue.backoff.ms", "20")
            // Topics may be created after the consumer; brokers come back after seconds, not tens of them.
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("reconnect.backoff.max.ms", "2000")
            .set("statistics.interval.ms", "1000");
        match self.protocol {
            GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
            GroupProtocol::CooperativeSticky => config
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", "10000"),
        };
        for (name, value) in &self.client_settings {
            config.set(name, value);
        }
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error");
        config
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ConsumerSettings, GroupProtocol};

    #[test]
    fn all_faults_are_named_at_once() {
        let mut settings = ConsumerSettings::new("k:9092", "g", Vec::<String>::new());
        settings.max_concurrency = 0;
        let error = settings
            .check()
            .err()
            .map_or_else(String::new, |error| error.to_string());
        assert!(
            error.contains("topics") && error.contains("max_concurrency"),
            "{error}"
        );
    }

    #[test]
    fn extra_client_settings_cannot_turn_off_what_the_promises_rest_on() {
        let mut settings = ConsumerSettings::new("k:9092", "g", ["t"]);
        settings.client_settings = vec![
            ("enable.auto.commit".into(), "true".into()),
            ("auto.offset.reset".into(), "latest".into()),
            ("ssl.ca.location".into(), "/ca.pem".into()),
        ];
        let config = settings.client_config();
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(config.get("ssl.ca.location"), Some("/ca.pem"));
    }

    type Change = fn(&mut ConsumerSettings);

    #[test]
    fn each_setting_that_cannot_work_is_refused_by_its_name() {
        let cases: [(&str, Change); 7] = [
            ("topics", |s| s.topics.clear()),
            ("group", |s| s.group.clear()),
            ("max_window", |s| s.max_window = s.max_concurrency - 1),
            ("max_batch_records", |s| s.max_batch_records = 0),
            ("backoff_initial", |s| s.backoff_initial = Duration::ZERO),
            ("backoff_max", |s| {
                s.backoff_max = s.backoff_initial - Duration::from_millis(1);
            }),
            ("prefetch_records", |s| s.prefetch_records = 0),
        ];
        for (name, change) in cases {
            let mut settings = ConsumerSettings::new("k:9092", "g", ["t"]);
            change(&mut settings);
            let error = settings.check().unwrap_err().to_string();
            assert!(
                error.contains(&format!("{name}: ")) && !error.contains(';'),
                "{error}"
            );
        }
    }

    #[test]
    fn the_defaults_and_the_smallest_settings_are_taken() {
        ConsumerSettings::new("k:9092", "g", ["t"]).check().unwrap();
        let mut settings = ConsumerSettings::new("k:9092", "g", ["t"]);
        (settings.max_concurrency, settings.max_window) = (1, 1);
        (settings.max_batch_records, settings.prefetch_records) = (1, 1);
        settings.backoff_initial = Duration::from_nanos(1);
        settings.backoff_max = settings.backoff_initial;
        settings.check().unwrap();
    }

    #[test]
    fn the_client_shares_partitions_as_told_and_holds_no_more_than_the_defaults_say() {
        let mut settings = ConsumerSettings::new("k:9092", "g", ["t"]);
        let config = settings.client_config();
        assert_eq!(config.get("group.protocol"), Some("consumer"));
        assert_eq!(config.get("queued.min.messages"), Some("1000"));
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("4096"));
        assert_eq!(settings.max_batch_bytes, 8_388_608);
        settings.protocol = GroupProtocol::CooperativeSticky;
        let config = settings.client_config();
        assert_eq!(config.get("group.protocol"), Some("classic"));
        assert_eq!(
            config.get("partition.assignment.strategy"),
            Some("cooperative-sticky")
        );
    }
}
