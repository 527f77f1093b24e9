//! A batch's way: decode, then the views, together with batches of other partitions.

use std::time::{Duration, SystemTime};

use depot_consumer::{Batch, BatchHandler, BatchOutcome, Context, Failure, GivenUp, Poison, Record};
use depot_sabotage::Break;
use depot_schemas::{Event, EventData, decode, topics::Topics};
use depot_service::telemetry;
use tracing::{Instrument as _, Span, field};

use crate::{
    batch_store::BatchStore,
    event_spans::{EventSpans, StoredBatch},
    offsets::Standing,
    shared_writes::SharedWrites,
};

/// A batch's span is linked to the traces of its first events.
const LINKED_EVENTS: usize = 32;
/// How often a batch that is held looks whether it still is.
const HELD_LOOK: Duration = Duration::from_millis(20);

/// Builds the views from batches of events.
#[derive(Debug, Clone)]
pub struct Projector {
    topics: Topics,
    store: BatchStore,
    shared: SharedWrites,
    spans: EventSpans,
}

impl Projector {
    /// A projector whose batches share the transactions of `shared`, and have their own by `store`.
    pub fn new(topics: Topics, store: BatchStore, shared: SharedWrites) -> Self {
        Self {
            spans: store.event_spans(&topics),
            topics,
            store,
            shared,
        }
    }

    /// Stores a batch, in two pieces where it is held between them: a comparison of two versions of the views stops the one
    /// that does not serve at the offsets of the other. Dropped or failed between the pieces, the batch comes again, and finds
    /// out by its offset what was stored.
    async fn store_as_far_as_held(&self, batch: &Batch<Event>, cx: &Context) -> Result<StoredBatch, Failure> {
        let mut rest = batch.clone();
        loop {
            let stored = self.store(&rest).await?;
            if stored.outcome != BatchOutcome::Reload {
                return Ok(stored);
            }
            match self.store.standing(&rest).await? {
                Standing::Elsewhere => return Ok(stored),
                Standing::HeldAt(at) if (rest.expected_offset + 1..rest.next_offset).contains(&at) => {
                    let (before, behind) = cut(&rest, at);
                    let stored = self.store(&before).await?;
                    if stored.outcome == BatchOutcome::Reload {
                        return Ok(stored);
                    }
                    rest = behind;
                }
                // At its beginning, or let go, or let go as far as its end.
                Standing::HeldAt(_) | Standing::Free => {}
            }
            let waited = cx.cancelled().run_until_cancelled(tokio::time::sleep(HELD_LOOK));
            if waited.await.is_none() {
                return Err(Failure::Transient {
                    message: "the partition goes while it is held".to_owned(),
                    source: None,
                });
            }
        }
    }

    async fn store(&self, batch: &Batch<Event>) -> Result<StoredBatch, Failure> {
        if let Some(stored) = self.shared.store(batch).await? {
            return Ok(stored);
        }
        let told = self.store.store(std::slice::from_ref(batch)).await?;
        Ok(StoredBatch {
            // It answers for each batch.
            outcome: told.outcomes.first().copied().unwrap_or(BatchOutcome::Reload),
            steps: told.steps,
        })
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

    async fn handle_batch(&self, batch: &Batch<Event>, cx: &Context) -> Result<BatchOutcome, Failure> {
        let (span, began) = (batch_span(batch), SystemTime::now());
        if depot_sabotage::has(Break::Stale) {
            // For readers to come before the version that they ask for.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let stored = self.store_as_far_as_held(batch, cx).instrument(span).await;
        self.spans.tell(batch, began, &stored);
        stored.map(|stored| stored.outcome)
    }

    async fn give_up(&self, record: &Record, poison: &Poison) -> Result<GivenUp, Failure> {
        self.store.give_up(record, poison).await
    }
}

/// Splits a batch at an offset within it.
fn cut(batch: &Batch<Event>, at: i64) -> (Batch<Event>, Batch<Event>) {
    let middle = batch.events.partition_point(|(record, _)| record.offset < at);
    let (before, behind) = batch.events.split_at(middle);
    let before = Batch {
        next_offset: at,
        events: before,
        ..batch.clone()
    };
    let behind = Batch {
        expected_offset: at,
        events: behind,
        ..batch.clone()
    };
    (before, behind)
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
        EventData::Declared(data) => (&data.aggregate.owner, Vec::new()),
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

/// The span of a batch, for its log lines and its duration; the traces of its events have spans of their own.
fn batch_span(batch: &Batch<Event>) -> Span {
    let span = tracing::info_span!(
        "process",
        otel.name = format_args!("process {}", batch.topic),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = &*batch.topic,
        messaging.destination.partition.id = %batch.partition,
        messaging.batch.message_count = batch.events.len() as i64,
        messaging.kafka.offset = field::Empty,
    );
    if let Some((record, _)) = batch.events.first() {
        span.record("messaging.kafka.offset", record.offset);
    }
    // A link to an event that is not recorded would lead nowhere.
    if depot_spans::is_recording() {
        for (_, event) in batch.events.iter().take(LINKED_EVENTS) {
            let envelope = &event.envelope;
            telemetry::add_link_from(
                &span,
                envelope.traceparent.as_deref(),
                envelope.tracestate.as_deref(),
            );
        }
    }
    span
}
