//! A batch's way: decode, the transaction, then Redis.

use std::{sync::Arc, time::Duration};

use depot_consumer::{Batch, BatchHandler, BatchOutcome, Context, Failure, Poison, Record};
use depot_sabotage::Break;
use depot_schemas::{Event, EventData, decode, topics::Topics};
use depot_service::telemetry;
use sqlx::PgPool;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, field};

use crate::{
    cache_upkeep::{CacheUpkeep, LATE},
    pending_cache::{self, ChangedRow},
    postgres_writer::{PostgresWriter, StoredBatch, Written},
    redis_writer::RedisWriter,
};

/// Longer than the server lets a batch's statements run.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// A batch's span is linked to the traces of its first events.
const LINKED_EVENTS: usize = 32;

/// Builds the views from batches of events.
#[derive(Debug, Clone)]
pub struct Projector {
    topics: Topics,
    pool: PgPool,
    projection: i32,
    writer: PostgresWriter,
    redis: Arc<RedisWriter>,
    upkeep: CacheUpkeep,
}

impl Projector {
    pub fn new(
        topics: Topics,
        pool: PgPool,
        projection: i32,
        redis: Arc<RedisWriter>,
        upkeep: CacheUpkeep,
    ) -> Self {
        let writer = PostgresWriter::new(pool.clone(), projection);
        Self {
            topics,
            pool,
            projection,
            writer,
            redis,
            upkeep,
        }
    }

    /// Tells Redis what a committed batch changed. Whatever goes wrong here is left to the upkeep: the changed rows are
    /// noted as pending.
    pub async fn tell_redis(&self, batch: &StoredBatch) {
        if batch.entries.is_empty() {
            return;
        }
        // One that was stopped since leaves Redis to the upkeep, which reads the rows again.
        if !self.redis.is_up() || batch.began.elapsed() > LATE {
            return self.upkeep.wake();
        }
        if self
            .redis
            .write(batch.generation, &batch.entries, Some(&batch.notice))
            .await
            .is_err()
        {
            return self.upkeep.wake();
        }
        let rows: Vec<ChangedRow> = batch.entries.iter().map(|(row, _)| *row).collect();
        if let Err(error) = pending_cache::clear(&self.pool, self.projection, batch.generation, &rows).await {
            tracing::debug!(%error, "pending rows are left to the upkeep");
        }
    }
}

impl BatchHandler for Projector {
    type Event = Event;

    fn decode(&self, record: &Record) -> Result<Event, Poison> {
        let entity = self.topics.entity(record.source_topic());
        let entity =
            entity.ok_or_else(|| Poison::new("wrong_topic", "no events are expected on this topic"))?;
        let event = decode(
            entity,
            record.key.as_deref(),
            |name| record.header(name),
            record.payload.as_deref(),
        )
        .map_err(|error| Poison::new(error.class.as_str(), error.detail))?;
        match impossible(&event) {
            Some(reason) => Err(Poison::new("invalid_data", reason)),
            None => Ok(event),
        }
    }

    async fn handle_batch(&self, batch: &Batch<Event>, _cx: &Context) -> Result<BatchOutcome, Failure> {
        let span = batch_span(batch);
        if depot_sabotage::has(Break::Stale) {
            // For readers to come before the version that they ask for.
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
        async {
            // The server's own limits end nothing when it is stopped, or the network swallows. Dropped in mid-commit, the
            // batch finds out by its offset whether it was stored.
            let written = timeout(WRITE_LIMIT, self.writer.write(batch)).await;
            let written = written.unwrap_or_else(|late| {
                let what = format!(
                    "Postgres did not store a batch within {} s",
                    WRITE_LIMIT.as_secs()
                );
                Err(Failure::transient(what, late))
            });
            match written? {
                Written::OffsetMoved => Ok(BatchOutcome::Reload),
                Written::Stored(stored) => {
                    self.tell_redis(&stored).await;
                    Ok(BatchOutcome::Stored)
                }
            }
        }
        .instrument(span)
        .await
    }
}

/// Why no command can have led to this event, if so: what would break a view or the cache, and not only look odd.
fn impossible(event: &Event) -> Option<&'static str> {
    let version = event.envelope.version;
    if version.epoch < 0 || version.version < 1 {
        return Some("the version is not a positive number");
    }
    let (owner, sizes) = match &event.data {
        EventData::Item(data) => (
            &data.item.owner,
            data.item.files.iter().map(|file| file.size_bytes).collect(),
        ),
        EventData::Upload(data) => (&data.upload.owner, vec![data.upload.size_bytes]),
        EventData::File(_) => return Some("facts about files are for the saga"),
    };
    if owner.chars().any(char::is_control) {
        return Some("the owner has control characters");
    }
    let total = sizes.into_iter().try_fold(0_i64, |total, size: i64| {
        total.checked_add(size).filter(|_| size >= 0)
    });
    total.is_none().then_some("the sizes are no sizes")
}

fn batch_span(batch: &Batch<Event>) -> Span {
    let span = tracing::info_span!(
        "process",
        otel.name = format!("process {}", batch.topic),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = &*batch.topic,
        messaging.destination.partition.id = batch.partition,
        messaging.batch.message_count = batch.events.len(),
        messaging.kafka.offset = field::Empty,
    );
    if let Some((record, _)) = batch.events.first() {
        span.record("messaging.kafka.offset", record.offset);
    }
    for (_, event) in batch.events.iter().take(LINKED_EVENTS) {
        let envelope = &event.envelope;
        telemetry::add_link_from(
            &span,
            envelope.traceparent.as_deref(),
            envelope.tracestate.as_deref(),
        );
    }
    span
}
