use depot_schemas::{Envelope, Event, topics::Topics};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{headers, shard::shard_of};

/// The most bytes that a message may have (headers, key and value): half of what its topic takes, so that no
/// setting of compression or batching ever stands between a committed event and its topic.
pub const MAX_EVENT_BYTES: usize = depot_schemas::topics::MAX_MESSAGE_BYTES as usize / 2;

/// An event to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The Kafka topic, in full.
    pub topic: String,
    /// Also the message's key.
    pub aggregate_id: Uuid,
    /// Assigned under the aggregate's row lock; the order in which the aggregate's events are published.
    pub aggregate_version: i64,
    /// Each repeat of the message has the same.
    pub event_id: Uuid,
    pub event_type: String,
    /// When it happened; kept to the microsecond. Also the message's timestamp, to the millisecond.
    pub occurred_at: OffsetDateTime,
    /// All of the message's headers, in order. A name has no `=` and neither name nor value has a line break.
    pub headers: Vec<(String, String)>,
    /// The message's value, byte for byte.
    pub payload: Vec<u8>,
}

/// Why an event is refused before anything is written.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    #[error(
        "event {event_id} for {topic} has {size_bytes} bytes, {limit_bytes} are allowed: make its state smaller"
    )]
    TooLarge {
        event_id: Uuid,
        topic: String,
        size_bytes: usize,
        limit_bytes: usize,
    },
    #[error(
        "event {event_id} for {topic} has a header `{name}` that cannot be stored: no `=` in a name, no line break"
    )]
    Header {
        event_id: Uuid,
        topic: String,
        name: String,
    },
    #[error("event {event_id} cannot be written as JSON")]
    Payload {
        event_id: Uuid,
        #[source]
        source: serde_json::Error,
    },
}

impl NewEvent {
    /// An event of the catalogue, for its entity's topic.
    ///
    /// # Errors
    /// `Payload` if its data cannot be written as JSON.
    pub fn from_event(topics: &Topics, event: &Event) -> Result<Self, InvalidEvent> {
        let payload = event.payload().map_err(|source| InvalidEvent::Payload {
            event_id: event.envelope.id.0,
            source,
        })?;
        let topic = topics.events(event.envelope.event_type.entity());
        Ok(Self::from_envelope(topic, &event.envelope, payload))
    }

    /// An event with any value, described by an envelope.
    pub fn from_envelope(topic: String, envelope: &Envelope, payload: Vec<u8>) -> Self {
        let headers = envelope.headers().into_iter();
        Self {
            topic,
            aggregate_id: envelope.subject,
            aggregate_version: envelope.version.version,
            event_id: envelope.id.0,
            event_type: envelope.event_type.name().to_owned(),
            occurred_at: envelope.time,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(),
            payload,
        }
    }

    /// The event as a row of the outbox, checked.
    ///
    /// # Errors
    /// `TooLarge` over [`MAX_EVENT_BYTES`], `Header` for one that cannot be stored.
    pub fn into_row(self) -> Result<NewRow, InvalidEvent> {
        let key_bytes = 36;
        let header_bytes: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let size_bytes = key_bytes + header_bytes + self.payload.len();
        if size_bytes > MAX_EVENT_BYTES {
            return Err(InvalidEvent::TooLarge {
                event_id: self.event_id,
                topic: self.topic,
                size_bytes,
                limit_bytes: MAX_EVENT_BYTES,
            });
        }
        // What Postgres keeps of a time; the header says the full one where it differs.
        let occurred_at = self
            .occurred_at
            .replace_nanosecond(self.occurred_at.microsecond() * 1_000)
            .unwrap_or(self.occurred_at);
        let facts = headers::Facts {
            event_id: self.event_id,
            event_type: &self.event_type,
            aggregate_id: self.aggregate_id,
            aggregate_version: self.aggregate_version,
            occurred_at,
        };
        let headers = match headers::encode(&self.headers, &facts) {
            Ok(headers) => headers,
            Err(name) => {
                return Err(InvalidEvent::Header {
                    event_id: self.event_id,
                    topic: self.topic,
                    name,
                });
            }
        };
        Ok(NewRow {
            shard: shard_of(self.aggregate_id),
            topic: self.topic,
            aggregate_id: self.aggregate_id,
            aggregate_version: self.aggregate_version,
            event_id: self.event_id,
            event_type: self.event_type,
            occurred_at,
            headers,
            payload: self.payload,
        })
    }
}

/// A row of the outbox as a statement inserts it; the columns have the fields' names. `id` and `xid` come from
/// their defaults, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    pub shard: i16,
    pub topic: String,
    pub aggregate_id: Uuid,
    pub aggregate_version: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub occurred_at: OffsetDateTime,
    pub headers: String,
    pub payload: Vec<u8>,
}
