//! What the report of a message is for: the round that counts it and, where its trace is recorded, its span.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use depot_schemas::header;
use depot_spans::{Parent, messaging::Sending};
use rdkafka::{Message, error::KafkaError, message::DeliveryResult};

use crate::{headers, store::Row};

/// Messages of a round that have no good report yet.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    count: AtomicUsize,
    /// One that stands for a single message has its span, and the round that counts it.
    traced: Option<(Arc<Self>, Sending)>,
}

impl Outstanding {
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// True if it was the last.
    pub(crate) fn take_off(&self) -> bool {
        self.count.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// What the client keeps with a message of this round until its report. The round itself, but where the context that
    /// caused the message is recorded.
    pub(crate) fn awaiting(self: &Arc<Self>, row: &Row) -> Arc<Self> {
        let Some(sending) = begin(row) else {
            return Arc::clone(self);
        };
        Arc::new(Self {
            count: AtomicUsize::default(),
            traced: Some((Arc::clone(self), sending)),
        })
    }

    /// The round of the message with this report, of which its span is told.
    pub(crate) fn reported(self: Arc<Self>, result: &DeliveryResult<'_>) -> Arc<Self> {
        let Some((round, _)) = &self.traced else {
            return self;
        };
        let round = Arc::clone(round);
        match (self.sending(), result) {
            (Some(sending), Ok(message)) => {
                sending.delivered(message.topic(), message.partition(), message.offset());
            }
            (Some(sending), Err((error, message))) => sending.failed(message.topic(), error_type(error)),
            (None, _) => {}
        }
        round
    }

    /// Tells the span of a message that the client does not take, and never will.
    pub(crate) fn refused(self: Arc<Self>, topic: &str, error: &KafkaError) {
        if let Some(sending) = self.sending() {
            sending.failed(topic, error_type(error));
        }
    }

    /// The span of the one message that this stands for; the client was the only one to hold it.
    fn sending(self: Arc<Self>) -> Option<Sending> {
        let (_, sending) = Arc::into_inner(self)?.traced?;
        Some(sending)
    }
}

fn begin(row: &Row) -> Option<Sending> {
    if !depot_spans::is_recording() {
        return None;
    }
    let written = |name| headers::written(&row.headers, name);
    let creation = Parent::of(written(header::TRACEPARENT), written(header::TRACESTATE))?;
    Some(Sending::begin(creation, headers::text_of(row.event_id)))
}

/// The client's name of the fault, such as `MessageTimedOut`.
fn error_type(error: &KafkaError) -> String {
    let code = error.rdkafka_error_code();
    code.map_or_else(|| "_OTHER".to_owned(), |code| format!("{code:?}"))
}
