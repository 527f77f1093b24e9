//! A batch's way: decode, then the views, together with batches of other partitions.

use depot_consumer::{Batch, BatchHandler, BatchOutcome, Context, Failure, Poison, Record};
use depot_sabotage::Break;
use depot_schemas::{Event, EventData, decode, topics::Topics};
use depot_service::telemetry;
use tracing::{Instrument as _, Span, field};

use crate::{batch_store::BatchStore, shared_writes::SharedWrites};

/// A batch's span is linked to the traces of its first events.
const LINKED_EVENTS: usize = 32;

/// Builds the views from batches of events.
#[derive(Debug, Clone)]
pub struct Projector {
    topics: Topics,
    store: BatchStore,
    shared: SharedWrites,
}

impl Projector {
    /// A projector whose batches share the transactions of `shared`, and have their own by `store`.
    pub fn new(topics: Topics, store: BatchStore, shared: SharedWrites) -> Self {
        Self {
            topics,
            store,
            shared,
        }
    }

    async fn store(&self, batch: &Batch<Event>) -> Result<BatchOutcome, Failure> {
        if let Some(outcome) = self.shared.store(batch).await? {
            return Ok(outcome);
        }
        let outcomes = self.store.store(std::slice::from_ref(batch)).await?;
        // It answers for each batch.
        Ok(outcomes.first().copied().unwrap_or(BatchOutcome::Reload))
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
        self.store(batch).instrument(span).await
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
