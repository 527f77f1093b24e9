use depot_domain::{CommandId, EventId, VersionToken};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::event_type::{Entity, EventType};

/// Names of the message headers: CloudEvents' Kafka binding in binary mode, three extensions, W3C trace context.
pub mod header {
    pub const ID: &str = "ce_id";
    pub const SOURCE: &str = "ce_source";
    pub const SPEC_VERSION: &str = "ce_specversion";
    pub const TYPE: &str = "ce_type";
    pub const TIME: &str = "ce_time";
    pub const SUBJECT: &str = "ce_subject";
    pub const PARTITION_KEY: &str = "ce_partitionkey";
    pub const DATA_SCHEMA: &str = "ce_dataschema";
    pub const CONTENT_TYPE: &str = "content-type";
    /// Extension: the aggregate's version after this event.
    pub const AGGREGATE_VERSION: &str = "ce_aggregateversion";
    /// Extension: the id of the command, or of the event taken as one, that caused this event.
    pub const CAUSATION_ID: &str = "ce_causationid";
    /// Extension: how often the writer's database was set back to an earlier point.
    pub const RESTORE_EPOCH: &str = "ce_restoreepoch";
    pub const TRACEPARENT: &str = "traceparent";
    pub const TRACESTATE: &str = "tracestate";
}

/// What stands in an event's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub id: EventId,
    pub event_type: EventType,
    pub time: OffsetDateTime,
    /// The aggregate's id; also the message's key.
    pub subject: Uuid,
    pub version: VersionToken,
    pub causation_id: CommandId,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

impl Envelope {
    /// A new event's envelope, without trace context.
    pub fn new(
        event_type: EventType,
        subject: Uuid,
        version: VersionToken,
        causation_id: CommandId,
        time: OffsetDateTime,
    ) -> Self {
        Self {
            id: EventId::generate(),
            event_type,
            time,
            subject,
            version,
            causation_id,
            traceparent: None,
            tracestate: None,
        }
    }

    /// The writer: one a topic.
    pub fn source(&self) -> &'static str {
        match self.event_type.entity() {
            Entity::Items | Entity::Uploads | Entity::Declared(_) => "/depot/command-api",
            Entity::Files => "/depot/uploader",
        }
    }

    /// All headers, in a fixed order, so that a repeat has the same bytes.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let time = self
            .time
            .format(&Rfc3339)
            .unwrap_or_else(|_| self.time.unix_timestamp().to_string());
        let mut headers = vec![
            (header::SPEC_VERSION, "1.0".to_owned()),
            (header::ID, self.id.to_string()),
            (header::SOURCE, self.source().to_owned()),
            (header::TYPE, self.event_type.name().to_owned()),
            (header::TIME, time),
            (header::SUBJECT, self.subject.to_string()),
            (header::PARTITION_KEY, self.subject.to_string()),
            (header::DATA_SCHEMA, self.event_type.schema().to_owned()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::AGGREGATE_VERSION, self.version.version.to_string()),
            (header::CAUSATION_ID, self.causation_id.to_string()),
            (header::RESTORE_EPOCH, self.version.epoch.to_string()),
        ];
        let trace = [
            (header::TRACEPARENT, &self.traceparent),
            (header::TRACESTATE, &self.tracestate),
        ];
        headers.extend(
            trace
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        );
        headers
    }
}
