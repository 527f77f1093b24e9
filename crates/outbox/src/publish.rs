//! The Kafka producer: sends rows, counts reports.
//!
//! Order rests on these settings together. Idempotence keeps what is queued for a partition in order through the
//! client's own retries. `message.timeout.ms=0`: no message expires on its own, behind which a later one might be
//! delivered. `enable.gapless.guarantee`: when the broker refuses a batch for good, the client would by default
//! renumber what is queued behind it and send it; here it fails everything instead, so that the relay can start
//! again from the refused row.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use depot_kafka_client::CLOSED_WITHIN;
use depot_sabotage::Break;
use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedHeaders, DeliveryResult, Header, Headers, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use tokio::{sync::Notify, task::JoinHandle};
use uuid::Uuid;

use crate::{
    error::RelayError,
    headers::{self, Facts},
    outstanding::Outstanding,
    relay::RelayOptions,
    store::Row,
};

/// A message that Kafka did not take.
#[derive(Debug, Clone)]
pub(crate) struct FailedReport {
    pub topic: String,
    pub aggregate_id: Option<Uuid>,
    pub event_id: Option<Uuid>,
    pub error: String,
    /// It will not take the message, or the batch that it was in, another time either.
    pub refused: bool,
}

/// What the producer's thread tells the relay. One a producer: what an old one still reports, nobody hears.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Shared>);

#[derive(Default)]
struct Shared {
    failed: AtomicBool,
    failures: Mutex<Vec<FailedReport>>,
    broker_fault: Mutex<Option<String>>,
    changed: Arc<Notify>,
}

/// Failed reports kept for the log; all the others say the same.
const KEPT_FAILURES: usize = 100;

impl Reports {
    fn new(changed: Arc<Notify>) -> Self {
        Self(Arc::new(Shared {
            changed,
            ..Shared::default()
        }))
    }

    fn fail(&self, failure: FailedReport) {
        let mut failures = self.0.failures.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that name a refused row are what is acted upon.
        if failures.len() < KEPT_FAILURES || failure.refused {
            failures.push(failure);
        }
        drop(failures);
        self.0.failed.store(true, Ordering::Release);
        self.0.changed.notify_one();
    }

    fn set_broker_fault(&self, fault: Option<String>) {
        *self.0.broker_fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // The client repeats a lost connection many times a second; the relay's status says it once.
        tracing::debug!(kafka.facility = facility, "Kafka client: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, "Kafka client: {reason}");
        self.set_broker_fault(Some(format!("{error}: {reason}")));
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Outstanding>;

    fn delivery(&self, result: &DeliveryResult<'_>, awaited: Arc<Outstanding>) {
        let outstanding = awaited.reported(result);
        match result {
            Ok(_) => {
                if outstanding.take_off() {
                    self.set_broker_fault(None);
                    self.0.changed.notify_one();
                }
            }
            Err((error, message)) => self.fail(FailedReport {
                topic: message.topic().to_owned(),
                aggregate_id: message.key().and_then(id_in),
                event_id: message.headers().and_then(event_id),
                error: error.to_string(),
                refused: error.rdkafka_error_code().is_some_and(is_refusal),
            }),
        }
    }
}

fn id_in(text: &[u8]) -> Option<Uuid> {
    Uuid::try_parse_ascii(text).ok()
}

fn event_id(headers: &BorrowedHeaders) -> Option<Uuid> {
    let id = headers
        .iter()
        .find(|header| header.key == depot_schemas::header::ID)?;
    id.value.and_then(id_in)
}

/// Whether the broker (or the client) judged the message itself, and not the state of anything else.
fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::InvalidTimestamp
            | RDKafkaErrorCode::InvalidRecord
    )
}

/// What became of handing a row to the client.
pub(crate) enum Sent {
    Queued,
    /// Not now: the client's queue is full, or the producer is to be replaced.
    Later,
    /// The client itself finds the message impossible.
    Refused(String),
}

/// A producer and what it reported.
pub(crate) struct Publisher {
    producer: Option<ThreadedProducer<Reports>>,
    closing: Option<JoinHandle<()>>,
    reports: Reports,
    changed: Arc<Notify>,
    topics: HashSet<String>,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        let changed = Arc::new(Notify::new());
        Self {
            producer: None,
            closing: None,
            reports: Reports::new(changed.clone()),
            changed,
            topics: HashSet::new(),
        }
    }

    /// Makes a producer if there is none. With `single`, each message is a batch of its own, so that a refusal is
    /// of that message alone. False while an earlier producer is still being closed.
    pub(crate) async fn open(&mut self, options: &RelayOptions, single: bool) -> Result<bool, RelayError> {
        if self.producer.is_some() {
            return Ok(true);
        }
        if let Some(closing) = &mut self.closing {
            if tokio::time::timeout(Duration::from_millis(100), closing)
                .await
                .is_err()
            {
                return Ok(false);
            }
            self.closing = None;
        }
        self.topics.clear();
        let producer = config(options, single)
            .create_with_context(self.reports.clone())
            .map_err(RelayError::Producer)?;
        self.producer = Some(producer);
        Ok(true)
    }

    /// Makes sure that a topic is there: a message for one that is not would fail by itself, and leave a gap.
    pub(crate) async fn check_topic(&mut self, topic: &str) -> Result<(), RelayError> {
        if self.topics.contains(topic) {
            return Ok(());
        }
        let Some(producer) = self.producer.clone() else {
            return Ok(());
        };
        let name = topic.to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = producer
                .client()
                .fetch_metadata(Some(&name), Duration::from_secs(2))?;
            let fault = metadata
                .topics()
                .iter()
                .find(|t| t.name() == name)
                .map(|t| (t.error(), t.partitions().len()));
            match fault {
                Some((None, 1..)) => Ok(()),
                Some((Some(error), _)) => Err(KafkaError::MetadataFetch(error.into())),
                _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic)),
            }
        });
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(_) => Err(KafkaError::Canceled),
        };
        answer.map_err(|source| RelayError::Topic {
            topic: topic.to_owned(),
            source,
        })?;
        self.topics.insert(topic.to_owned());
        Ok(())
    }

    /// Hands a row to the client, which keeps the order of the calls for each key.
    pub(crate) fn send(&self, row: &Row, outstanding: &Arc<Outstanding>) -> Sent {
        let Some(producer) = &self.producer else {
            return Sent::Later;
        };
        let facts = Facts {
            event_id: row.event_id,
            event_type: &row.event_type,
            aggregate_id: row.aggregate_id,
            aggregate_version: row.aggregate_version,
            occurred_at: row.occurred_at,
        };
        let mut headers = OwnedHeaders::new();
        for (key, value) in headers::decode(&row.headers, &facts) {
            headers = headers.insert(Header {
                key,
                value: Some(&*value),
            });
        }
        let key = headers::text_of(row.aggregate_id);
        let milliseconds = row.occurred_at.unix_timestamp_nanos() / 1_000_000;
        let record = BaseRecord::with_opaque_to(&row.topic, outstanding.awaiting(row))
            .key(&key)
            .payload(row.payload.as_slice())
            .timestamp(i64::try_from(milliseconds).unwrap_or_default())
            .headers(headers);
        if depot_sabotage::hits(Break::LetGoEarly, &row.payload) {
            // Neither waited for nor, since its send comes to nothing, acknowledged.
            return Sent::Queued;
        }
        outstanding.add();
        let Err((error, record)) = producer.send(record) else {
            return Sent::Queued;
        };
        outstanding.take_off();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Sent::Later,
            Some(code) if is_refusal(code) => {
                record.delivery_opaque.refused(&row.topic, &error);
                Sent::Refused(error.to_string())
            }
            _ => {
                // A producer after a fatal error takes nothing more.
                self.reports.fail(FailedReport {
                    topic: row.topic.clone(),
                    aggregate_id: Some(row.aggregate_id),
                    event_id: Some(row.event_id),
                    error: error.to_string(),
                    refused: false,
                });
                Sent::Later
            }
        }
    }

    /// Whether a report was bad: nothing more may be sent before [`Publisher::close`].
    pub(crate) fn failed(&self) -> bool {
        self.reports.0.failed.load(Ordering::Acquire)
    }

    /// The bad reports so far.
    pub(crate) fn take_failures(&self) -> Vec<FailedReport> {
        let mut failures = self
            .reports
            .0
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *failures)
    }

    /// What the client last found wrong with the brokers, until the next good report.
    pub(crate) fn broker_fault(&self) -> Option<String> {
        let fault = self
            .reports
            .0
            .broker_fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        fault.clone()
    }

    /// Purges what is queued and drops the producer, on a thread that may wait. No message of it is sent after
    /// [`Publisher::open`] has made the next.
    pub(crate) fn close(&mut self) {
        self.reports = Reports::new(self.changed.clone());
        if let Some(producer) = self.producer.take() {
            self.closing = Some(tokio::task::spawn_blocking(move || drop(producer)));
        }
    }

    /// Waits until a closed producer is gone, or for as long as that may take.
    pub(crate) async fn closed(&mut self) {
        if let Some(closing) = self.closing.take() {
            // Its only fault would be a panic in the client's own shutdown, after which it is gone as well.
            if tokio::time::timeout(CLOSED_WITHIN, closing).await.is_err() {
                tracing::warn!("Kafka did not let the relay's producer go in time; it ends with the process");
            }
        }
    }

    /// Returns when a round's last report, or a bad one, has come in since the last return.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Publisher {
    /// A relay that is dropped in the middle of its work must not close its producer on a thread of the runtime.
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_ok() {
            self.close();
        }
    }
}

fn config(options: &RelayOptions, single: bool) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "2000")
        .set("compression.type", "lz4");
    for (name, value) in &options.kafka {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &options.brokers)
        .set("client.id", format!("depot-outbox-{}", options.instance))
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random")
        .set("allow.auto.create.topics", "false")
        .set("linger.ms", options.linger.as_millis().to_string())
        // A batch is refused as a whole: well under what a topic takes.
        .set("batch.size", (crate::event::MAX_EVENT_BYTES).to_string())
        .set(
            "message.max.bytes",
            depot_schemas::topics::MAX_MESSAGE_BYTES.to_string(),
        )
        .set(
            "queue.buffering.max.messages",
            (options.max_rows_in_flight * 4).to_string(),
        )
        .set("queue.buffering.max.kbytes", (256 * 1024).to_string());
    if single {
        config.set("batch.num.messages", "1");
    }
    config
}
