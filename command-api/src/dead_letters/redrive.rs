//! Brings letters back: to the retry topic of the group that failed, never to their source, which every group reads.

use depot_service::database::Pool;
use std::{sync::Arc, time::Duration};

use depot_consumer::header;
use depot_kafka_client::ClosedApart;
use depot_schemas::{Entity, topics::Topics};
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio_util::sync::CancellationToken;

use super::{LetterLog, LogError};
use crate::store::{
    StoreError,
    dead_letters::{self, DeadLetter},
};

/// Letters taken at once.
const BATCH: i64 = 50;
/// How long a taken letter is left to its taker: longer than a batch of reads and sends may take.
const LEASE_SECONDS: f64 = 900.0;
const INTERVAL: Duration = Duration::from_millis(500);
const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// Why a letter was not brought back now. It is tried again after its lease.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the dead letter could not be sent to {topic}")]
    Send {
        topic: String,
        #[source]
        source: KafkaError,
    },
}

/// Each `(group, source topic)` whose letters can be redriven, and to which topic.
pub fn retry_sources(topics: &Topics) -> Vec<((String, String), String)> {
    let [first, ..] = topics.retries();
    let events = |entity| topics.events(entity);
    let mut sources = vec![((topics.group("uploader"), events(Entity::Uploads)), first)];
    for (group, topic) in [
        ("saga", events(Entity::Files)),
        ("saga", events(Entity::Items)),
        ("projector", events(Entity::Items)),
        ("projector", events(Entity::Uploads)),
        ("store-notifications", topics.store_notifications()),
    ] {
        sources.push(((topics.group(group), topic), topics.redriven(group)));
    }
    sources.extend(Entity::declared().map(|entity| {
        let group = "projector";
        ((topics.group(group), events(entity)), topics.redriven(group))
    }));
    sources
}

/// Sends letters that are to be redriven.
#[derive(Clone)]
pub struct Redriver {
    pool: Pool,
    log: LetterLog,
    producer: Arc<ClosedApart<FutureProducer>>,
    topics: Topics,
}

impl Redriver {
    /// # Errors
    /// The client refuses a setting.
    pub fn new(
        pool: Pool,
        log: LetterLog,
        topics: Topics,
        brokers: &str,
        client_settings: &[(String, String)],
    ) -> Result<Self, KafkaError> {
        let mut client = ClientConfig::new();
        for (name, value) in client_settings {
            client.set(name, value);
        }
        client
            .set("bootstrap.servers", brokers)
            .set("client.id", "redrive")
            .set("message.timeout.ms", SEND_DEADLINE.as_millis().to_string())
            .set("message.max.bytes", "33554432")
            .set("enable.idempotence", "true")
            .set("acks", "all");
        Ok(Self {
            pool,
            log,
            producer: Arc::new(ClosedApart::new(client.create()?)),
            topics,
        })
    }

    /// Takes one batch of letters that are due, and answers how many were sent. A letter is marked after its send was
    /// acknowledged: a crash in between sends it again, which is a repeat like any other.
    ///
    /// # Errors
    /// The batch could not be taken.
    pub async fn step(&self) -> Result<usize, RedriveError> {
        let conn = self.pool.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("take dead letters to redrive"))?;
        let mut letters = dead_letters::take_due(&mut conn, BATCH, LEASE_SECONDS).await?;
        drop(conn);
        letters.sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
        let mut sent = 0;
        for letter in &letters {
            match self.bring_back(letter).await {
                Ok(()) => sent += 1,
                Err(error) => tracing::warn!(
                    messaging.destination.name = %letter.dlq_topic,
                    messaging.kafka.offset = letter.dlq_offset,
                    error = &error as &dyn std::error::Error,
                    "a dead letter could not be redriven, it is tried again later"
                ),
            }
        }
        Ok(sent)
    }

    async fn bring_back(&self, letter: &DeadLetter) -> Result<(), RedriveError> {
        let source = (letter.consumer_group.clone(), letter.topic.clone());
        let sources = retry_sources(&self.topics);
        let Some((_, topic)) = sources.into_iter().find(|(known, _)| *known == source) else {
            // It was one when the redrive was asked for.
            return Ok(());
        };
        let stored = self
            .log
            .read(&letter.dlq_topic, letter.dlq_partition, letter.dlq_offset)
            .await?;
        let redriven = letter.attempts.to_string();
        let kept = stored.headers.iter().filter(|(name, _)| name != header::REDRIVEN);
        let headers = kept.fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.as_deref(),
            })
        });
        let headers = headers.insert(Header {
            key: header::REDRIVEN,
            value: Some(&redriven),
        });
        let record = FutureRecord::<[u8], [u8]> {
            topic: &topic,
            // The partition of its source, as every copy.
            partition: Some(letter.partition),
            payload: stored.payload.as_deref(),
            key: stored.key.as_deref(),
            timestamp: stored.timestamp_ms,
            headers: Some(headers),
        };
        let sent = self.producer.send(record, SEND_DEADLINE).await;
        sent.map_err(|(source, _)| RedriveError::Send { topic, source })?;
        let conn = self.pool.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("mark a dead letter as redriven"))?;
        Ok(dead_letters::mark_redriven(&mut conn, letter).await?)
    }
}

/// Runs [`Redriver::step`] until cancelled.
pub async fn run(redriver: Redriver, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(redriver.step()).await {
            Some(Ok(sent)) if sent > 0 => continue,
            Some(Ok(_)) | None => {}
            Some(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "dead letters could not be redriven, trying again"
            ),
        }
        stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
    }
}
