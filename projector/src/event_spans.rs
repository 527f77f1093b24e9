//! What is told of an event whose trace is recorded. Its batch shares a transaction and a write to Redis with others; it has
//! spans of its own for them all the same, told when they are over.

use depot_service::database::Pool;
use std::{sync::Arc, time::SystemTime};

use depot_consumer::{Batch, BatchOutcome, Failure, Record};
use depot_schemas::{Event, topics::Topics};
use depot_spans::{
    OpenSpan, Parent,
    database::{self, Outcome, Transaction},
    messaging::{self, Delivery},
};

/// From when until when.
pub type Period = (SystemTime, SystemTime);

/// What the batches of a transaction had in common.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// From the asking for a connection until the commit.
    pub transaction: Period,
    /// Events that shared the transaction.
    pub events: usize,
    /// The write to Redis, if there was one.
    pub cache: Option<CacheStep>,
}

/// One round trip to Redis.
#[derive(Debug, Clone, Copy)]
pub struct CacheStep {
    pub period: Period,
    pub commands: usize,
    pub failed: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy)]
pub struct StoredBatch {
    pub outcome: BatchOutcome,
    pub steps: Steps,
}

/// Tells of the events of batches.
#[derive(Debug, Clone)]
pub(crate) struct EventSpans {
    group: Arc<str>,
    database: Option<Arc<str>>,
}

impl EventSpans {
    pub(crate) fn new(topics: &Topics, pool: &Pool) -> Self {
        Self {
            group: topics.group("projector").into(),
            database: pool.connect_options().get_database().map(Arc::from),
        }
    }

    /// Tells of each event that is in a recorded trace how its batch was stored; of one that is poison by itself, that it is.
    /// Any other failure comes again, and is told when it has passed.
    pub(crate) fn tell(
        &self,
        batch: &Batch<Event>,
        began: SystemTime,
        stored: &Result<StoredBatch, Failure>,
    ) {
        if !depot_spans::is_recording() {
            return;
        }
        let ended = SystemTime::now();
        match stored {
            Ok(StoredBatch {
                outcome: BatchOutcome::Stored,
                steps,
            }) => {
                for event in &*batch.events {
                    self.tell_stored(event, (began, ended), steps);
                }
            }
            Err(Failure::Poison(poison)) if batch.events.len() == 1 => {
                let poisoned = batch.events.first().and_then(|event| self.process(event, began));
                if let Some((mut span, _)) = poisoned {
                    span.fail(poison.reason_class.clone());
                    span.end_at(ended);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn tell_stored(&self, event: &(Record, Event), (began, ended): Period, steps: &Steps) {
        let Some((span, parent)) = self.process(event, began) else {
            return;
        };
        let transaction = Transaction {
            schema: "read",
            database: self.database.as_deref().map(str::to_owned),
            shared_by: steps.events,
        };
        let (transaction_began, transaction_ended) = steps.transaction;
        if let Some(span) = transaction.begin_in(&parent, transaction_began) {
            span.end_transaction_at(Outcome::Committed, transaction_ended);
        }
        if let Some(cache) = steps.cache {
            let error_type = cache.failed.then_some("unavailable");
            database::tell_redis_pipeline(&parent, cache.commands, cache.period, error_type);
        }
        span.end_at(ended);
    }

    /// The span of an event in a recorded trace, open, and the same as a parent.
    fn process(&self, (record, event): &(Record, Event), began: SystemTime) -> Option<(OpenSpan, Parent)> {
        let envelope = &event.envelope;
        let creation = Parent::of(envelope.traceparent.as_deref(), envelope.tracestate.as_deref())?;
        let message_id = envelope.id.to_string();
        let delivery = Delivery {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            group: &self.group,
            message_id: &message_id,
        };
        let span = messaging::process(&creation, &delivery, began)?;
        let parent = span.as_parent();
        Some((span, parent))
    }
}
