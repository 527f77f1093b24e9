//! Dead letters: what no handler can take, kept whole, with where it came from and why.
//!
//! The origin is written under the names of Spring Kafka's `DeadLetterPublishingRecoverer`, which other tools read:
//! partition, offset and timestamp there are big-endian binary.

use std::sync::Arc;
use std::time::Duration;

use depot_kafka_client::ClosedApart;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::ConsumerError;
use crate::handler::Poison;
use crate::record::Record;

/// The headers that a dead letter carries beside those of the original.
pub mod header {
    /// Where the record was read from.
    pub const ORIGINAL_TOPIC: &str = "kafka_dlt-original-topic";
    /// Its partition: 4 bytes, big-endian.
    pub const ORIGINAL_PARTITION: &str = "kafka_dlt-original-partition";
    /// Its offset: 8 bytes, big-endian.
    pub const ORIGINAL_OFFSET: &str = "kafka_dlt-original-offset";
    /// Its timestamp in Unix milliseconds: 8 bytes, big-endian; absent if it had none.
    pub const ORIGINAL_TIMESTAMP: &str = "kafka_dlt-original-timestamp";
    /// `CreateTime`, `LogAppendTime` or `NoTimestampType`.
    pub const ORIGINAL_TIMESTAMP_TYPE: &str = "kafka_dlt-original-timestamp-type";
    /// The group that could not handle it.
    pub const ORIGINAL_CONSUMER_GROUP: &str = "kafka_dlt-original-consumer-group";
    /// The reason's class. (Spring puts a Java class name there.)
    pub const REASON_CLASS: &str = "kafka_dlt-exception-fqcn";
    /// The reason's message.
    pub const REASON_MESSAGE: &str = "kafka_dlt-exception-message";
    /// How often the record was given up, this time included: decimal text.
    pub const ATTEMPTS: &str = "depot_dlq_attempts";
    /// When it failed first: RFC 3339, UTC.
    pub const FIRST_FAILURE: &str = "depot_dlq_first_failure";
    /// When it failed last: RFC 3339, UTC.
    pub const LAST_FAILURE: &str = "depot_dlq_last_failure";

    /// In a retry topic: not to be handled before this moment. Unix milliseconds, decimal text.
    pub const NOT_BEFORE: &str = "depot_retry_not_before";
    /// In a retry topic: how often it has failed since it came from its source or from the dead letters. Decimal text.
    pub const FAILURES: &str = "depot_retry_failures";
    /// How often it was brought back from the dead letters: decimal text.
    pub const REDRIVEN: &str = "depot_dlq_redriven";

    /// What only a retry topic carries.
    pub(crate) const RETRY: [&str; 2] = [NOT_BEFORE, FAILURES];
    /// Where a record came from first: written once, kept when it fails again after a redrive.
    pub(super) const ORIGIN: [&str; 6] = [
        ORIGINAL_TOPIC,
        ORIGINAL_PARTITION,
        ORIGINAL_OFFSET,
        ORIGINAL_TIMESTAMP,
        ORIGINAL_TIMESTAMP_TYPE,
        ORIGINAL_CONSUMER_GROUP,
    ];
    /// Why it failed: of the last failure only.
    pub(super) const REASON: [&str; 5] = [
        REASON_CLASS,
        REASON_MESSAGE,
        ATTEMPTS,
        FIRST_FAILURE,
        LAST_FAILURE,
    ];
}

/// How long one send may take before it counts as failed (and is tried again).
const SEND_DEADLINE: Duration = Duration::from_secs(30);
/// A reason's message may quote the payload; a header need not carry all of it.
const MAX_MESSAGE_BYTES: usize = 2_000;

/// The dead-letter topic of a source or retry topic: `depot.uploads.v1` and `depot.uploads.retry.30s.v1` both give
/// `depot.uploads.dlq.v1`. `None` for a name that doesn't end in `.v<major>`.
#[must_use]
pub fn dead_letter_topic(source: &str) -> Option<String> {
    let (stem, version) = source.rsplit_once('.')?;
    let major = version.strip_prefix('v')?;
    if major.is_empty() || !major.bytes().all(|byte| byte.is_ascii_digit()) || stem.is_empty() {
        return None;
    }
    let entity = stem.rsplit_once(".retry.").map_or(stem, |(entity, _tier)| entity);
    Some(format!("{entity}.dlq.{version}"))
}

/// Writes dead letters. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    producer: Arc<ClosedApart<FutureProducer>>,
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}

/// A send of a dead letter failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadLetterError {
    #[error("no dead-letter topic can be named for {topic}: its name doesn't end in .v<major>")]
    NoTopic { topic: String },
    #[error("send {source_topic} [{partition}] at offset {offset} to {topic}")]
    Send {
        source_topic: String,
        partition: i32,
        offset: i64,
        topic: String,
        #[source]
        source: Box<KafkaError>,
    },
}

impl DeadLetters {
    /// A producer of its own: idempotent, acknowledged by all in-sync replicas. `client_settings` are further settings
    /// of the client, such as `security.protocol`.
    ///
    /// # Errors
    /// [`ConsumerError::Client`] if the client refuses a setting.
    pub fn new(brokers: &str, client_settings: &[(String, String)]) -> Result<Self, ConsumerError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "dead-letters")
            .set("message.timeout.ms", SEND_DEADLINE.as_millis().to_string())
            // The topic's own limit decides, not the client's.
            .set("message.max.bytes", "33554432")
            .set("linger.ms", "0")
            .set("reconnect.backoff.max.ms", "2000");
        for (name, value) in client_settings {
            config.set(name, value);
        }
        config.set("enable.idempotence", "true").set("acks", "all");
        let producer = config.create().map_err(|source| ConsumerError::Client {
            owner: "dead letters".to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            producer: Arc::new(ClosedApart::new(producer)),
        })
    }

    /// Sends one record to the dead letters of `source` and waits for its delivery report.
    ///
    /// It goes to the partition of its source, since dead-letter topics have at least as many; so the letters of a key
    /// stay in order.
    pub(crate) async fn publish(
        &self,
        record: &Record,
        source: &str,
        group: &str,
        poison: &Poison,
        now: OffsetDateTime,
    ) -> Result<(), DeadLetterError> {
        let topic = dead_letter_topic(source).ok_or_else(|| DeadLetterError::NoTopic {
            topic: source.to_owned(),
        })?;
        self.send(record, &topic, headers(record, group, poison, now))
            .await
    }

    /// Sends a record's key, value and timestamp with these headers to the same partition of another topic, and waits
    /// for its delivery report.
    pub(crate) async fn send(
        &self,
        record: &Record,
        topic: &str,
        headers: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<(), DeadLetterError> {
        let headers = headers.iter().fold(
            OwnedHeaders::new_with_capacity(record.headers.len() + 11),
            |headers, (name, value)| {
                headers.insert(Header {
                    key: name,
                    value: value.as_deref(),
                })
            },
        );
        let letter = FutureRecord::<[u8], [u8]> {
            topic,
            partition: Some(record.partition),
            payload: record.payload.as_deref(),
            key: record.key.as_deref(),
            timestamp: record.timestamp_ms,
            headers: Some(headers),
        };
        let sent = match self.producer.send_result(letter) {
            Ok(report) => match report.await {
                Ok(Ok(_delivered)) => Ok(()),
                Ok(Err((source, _letter))) => Err(source),
                Err(_dropped) => Err(KafkaError::Canceled),
            },
            Err((source, _letter)) => Err(source),
        };
        sent.map_err(|source| DeadLetterError::Send {
            source_topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            topic: topic.to_owned(),
            source: Box::new(source),
        })
    }
}

/// All headers of the dead letter: those of the original, the origin (unless it is there from an earlier failure), and
/// the reason in place of an earlier one.
fn headers(
    record: &Record,
    group: &str,
    poison: &Poison,
    now: OffsetDateTime,
) -> Vec<(String, Option<Vec<u8>>)> {
    let attempts = record
        .header_str(header::ATTEMPTS)
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        + 1;
    // A timestamp can always be formatted; were it not, the letter matters more than its time.
    let now = now.format(&Rfc3339).unwrap_or_default().into_bytes();
    let first = record
        .header(header::FIRST_FAILURE)
        .map_or_else(|| now.clone(), <[u8]>::to_vec);

    let mut headers = with_origin(record, group);
    headers.retain(|(name, _)| {
        !header::REASON.contains(&name.as_str()) && !header::RETRY.contains(&name.as_str())
    });
    let mut add = |name: &str, value: Vec<u8>| headers.push((name.to_owned(), Some(value)));
    add(header::REASON_CLASS, poison.reason_class.as_bytes().to_vec());
    add(
        header::REASON_MESSAGE,
        shortened(&poison.message).as_bytes().to_vec(),
    );
    add(header::ATTEMPTS, attempts.to_string().into_bytes());
    add(header::FIRST_FAILURE, first);
    add(header::LAST_FAILURE, now);
    headers
}

/// The headers of a record, and where it was read first; a copy keeps what it says of that.
pub(crate) fn with_origin(record: &Record, group: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let is_copy = record.header(header::ORIGINAL_TOPIC).is_some();
    let mut headers = record.headers.clone();
    if !is_copy {
        headers.retain(|(name, _)| !header::ORIGIN.contains(&name.as_str()));
        let mut add = |name: &str, value: Vec<u8>| headers.push((name.to_owned(), Some(value)));
        add(header::ORIGINAL_TOPIC, record.topic.as_bytes().to_vec());
        add(
            header::ORIGINAL_PARTITION,
            record.partition.to_be_bytes().to_vec(),
        );
        add(header::ORIGINAL_OFFSET, record.offset.to_be_bytes().to_vec());
        if let Some(timestamp) = record.timestamp_ms {
            add(header::ORIGINAL_TIMESTAMP, timestamp.to_be_bytes().to_vec());
        }
        add(
            header::ORIGINAL_TIMESTAMP_TYPE,
            record.timestamp_type.as_str().as_bytes().to_vec(),
        );
        add(header::ORIGINAL_CONSUMER_GROUP, group.as_bytes().to_vec());
    }
    headers
}

fn shortened(message: &str) -> &str {
    let mut end = message.len().min(MAX_MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::{dead_letter_topic, header, headers, shortened};
    use crate::{Poison, Record, TimestampType};
    use time::macros::datetime;

    #[test]
    fn source_and_retry_topics_share_a_dead_letter_topic() {
        assert_eq!(
            dead_letter_topic("depot.uploads.v1").as_deref(),
            Some("depot.uploads.dlq.v1")
        );
        assert_eq!(
            dead_letter_topic("depot.uploads.retry.30s.v1").as_deref(),
            Some("depot.uploads.dlq.v1")
        );
        assert_eq!(
            dead_letter_topic("test-1.a.items.v12").as_deref(),
            Some("test-1.a.items.dlq.v12")
        );
        assert_eq!(dead_letter_topic("depot.items"), None);
        assert_eq!(dead_letter_topic("items.v"), None);
        assert_eq!(dead_letter_topic(".v1"), None);
    }

    #[test]
    fn a_letter_that_fails_again_keeps_its_origin_and_counts_attempts() {
        let record = Record {
            topic: "depot.uploads.v1".into(),
            partition: 3,
            offset: 77,
            timestamp_ms: Some(1_000),
            timestamp_type: TimestampType::CreateTime,
            headers: vec![("ce_id".into(), Some(b"e1".to_vec())), ("empty".into(), None)],
            ..Record::default()
        };
        let first = headers(
            &record,
            "g",
            &Poison::new("not-json", "at 1"),
            datetime!(2026-01-01 0:00 UTC),
        );
        let redriven = Record {
            topic: "depot.uploads.retry.30s.v1".into(),
            partition: 3,
            offset: 1,
            headers: first,
            ..Record::default()
        };
        let second = Record {
            headers: headers(
                &redriven,
                "g",
                &Poison::new("no-key", "none"),
                datetime!(2026-01-02 0:00 UTC),
            ),
            ..Record::default()
        };
        assert_eq!(
            second.header_str(header::ORIGINAL_TOPIC),
            Some("depot.uploads.v1")
        );
        assert_eq!(
            second.header(header::ORIGINAL_OFFSET),
            Some(&77_i64.to_be_bytes()[..])
        );
        assert_eq!(
            second.header(header::ORIGINAL_PARTITION),
            Some(&3_i32.to_be_bytes()[..])
        );
        assert_eq!(
            second.header(header::ORIGINAL_TIMESTAMP),
            Some(&1_000_i64.to_be_bytes()[..])
        );
        assert_eq!(
            second.header_str(header::ORIGINAL_TIMESTAMP_TYPE),
            Some("CreateTime")
        );
        assert_eq!(second.header_str(header::REASON_CLASS), Some("no-key"));
        assert_eq!(second.header_str(header::ATTEMPTS), Some("2"));
        assert_eq!(
            second.header_str(header::FIRST_FAILURE),
            Some("2026-01-01T00:00:00Z")
        );
        assert_eq!(
            second.header_str(header::LAST_FAILURE),
            Some("2026-01-02T00:00:00Z")
        );
        assert_eq!(second.header_str("ce_id"), Some("e1"));
        assert!(
            second
                .headers
                .iter()
                .any(|(name, value)| name == "empty" && value.is_none())
        );
        let mut names: Vec<&String> = second.headers.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), second.headers.len(), "a header was written twice");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let long = "é".repeat(1_500);
        assert_eq!(shortened(&long).len(), 2_000);
        assert!(shortened(&long).chars().all(|character| character == 'é'));
        let cut_in_the_middle = format!("x{long}");
        assert_eq!(shortened(&cut_in_the_middle), format!("x{}", "é".repeat(999)));
        assert_eq!(shortened("short"), "short");
    }
}
