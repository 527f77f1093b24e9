use depot_consumer::{ConsumerSettings, Context, Failure, KeyHandler, Poison, Record, header};
use depot_schemas::{Entity, topics::Topics};
use depot_service::database::Pool;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::store::{
    StoreError,
    dead_letters::{self, DeadLetter},
};

/// The settings of the group that reads every dead-letter topic.
pub fn index_settings(
    brokers: &str,
    topics: &Topics,
    client_settings: Vec<(String, String)>,
) -> ConsumerSettings {
    let of_events = Entity::all().map(|entity| topics.dead_letters(entity));
    let letters = of_events.chain([topics.store_notification_dead_letters()]);
    let mut settings = ConsumerSettings::new(brokers, topics.group("dead-letters"), letters);
    settings.client_settings = client_settings;
    // Each holds a connection of the pool that requests need too.
    settings.max_concurrency = 2;
    settings
}

/// Notes every dead letter in the database.
#[derive(Debug, Clone)]
pub struct DeadLetterIndex(pub Pool);

impl KeyHandler for DeadLetterIndex {
    type Event = Box<DeadLetter>;

    /// Never poison: a dead letter of a dead letter would be seen by nobody. What says nothing of its origin is indexed
    /// under where it lies.
    fn decode(&self, record: &Record) -> Result<Box<DeadLetter>, Poison> {
        let text = |name: &str| record.header_str(name).map(str::to_owned);
        let time = |name: &str| {
            let text = record.header_str(name)?;
            OffsetDateTime::parse(text, &Rfc3339).ok()
        };
        let partition = record.header(header::ORIGINAL_PARTITION);
        let partition = partition.and_then(|bytes| bytes.try_into().ok().map(i32::from_be_bytes));
        let offset = record.header(header::ORIGINAL_OFFSET);
        let offset = offset.and_then(|bytes| bytes.try_into().ok().map(i64::from_be_bytes));
        let written = record.timestamp_ms.unwrap_or_default();
        let written = OffsetDateTime::from_unix_timestamp_nanos(i128::from(written) * 1_000_000);
        let failed_at = time(header::LAST_FAILURE)
            .or(written.ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let origin = (
            text(header::ORIGINAL_CONSUMER_GROUP),
            text(header::ORIGINAL_TOPIC),
            partition,
            offset,
        );
        let (group, topic, partition, offset) = match origin {
            (Some(group), Some(topic), Some(partition), Some(offset)) => {
                (storable(Some(group)), storable(Some(topic)), partition, offset)
            }
            _ => (
                "unknown".to_owned(),
                record.topic.to_string(),
                record.partition,
                record.offset,
            ),
        };
        let attempts = text(header::ATTEMPTS).and_then(|text| text.parse().ok());
        Ok(Box::new(DeadLetter {
            consumer_group: group,
            topic,
            partition,
            offset,
            key: record.key.clone(),
            reason: storable(text(header::REASON_CLASS)),
            detail: storable(text(header::REASON_MESSAGE)),
            attempts: attempts.unwrap_or(1),
            first_failed_at: time(header::FIRST_FAILURE).unwrap_or(failed_at),
            failed_at,
            dlq_topic: record.topic.to_string(),
            dlq_partition: record.partition,
            dlq_offset: record.offset,
            state: "open".to_owned(),
        }))
    }

    async fn handle(&self, letter: &Box<DeadLetter>, record: &Record, _: &Context) -> Result<(), Failure> {
        let noted = async {
            let conn = self.0.acquire().await;
            let mut conn = conn.map_err(StoreError::doing("note a dead letter"))?;
            dead_letters::upsert(&mut conn, letter).await
        };
        let place = format!(
            "{} [{}] at offset {}",
            record.topic, record.partition, record.offset
        );
        noted.await.map_err(|error| Failure::transient(place, error))
    }
}

/// Text that Postgres takes: it has no NUL.
fn storable(text: Option<String>) -> String {
    text.unwrap_or_else(|| "unknown".to_owned())
        .replace('\0', "\u{fffd}")
}
