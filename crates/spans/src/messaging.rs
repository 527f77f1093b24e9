//! Messages of Kafka, by OpenTelemetry's conventions for messaging: <https://opentelemetry.io/docs/specs/semconv/messaging/kafka/>.
//!
//! A message carries the context of what caused it, and each repeat of it the same bytes. So its sending is no parent of its
//! processing: both are children of that context, the creation context of the conventions.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue, StringValue,
    trace::{Link, SpanBuilder, SpanKind},
};

use crate::{context::Parent, open::OpenSpan};

/// A message on its way to Kafka, of which nothing is told before its report.
#[derive(Debug)]
pub struct Sending {
    creation: Parent,
    message_id: String,
    began: SystemTime,
}

impl Sending {
    /// One that is handed to the client now.
    #[must_use]
    pub fn begin(creation: Parent, message_id: String) -> Self {
        Self {
            creation,
            message_id,
            began: SystemTime::now(),
        }
    }

    /// Kafka has it. It has no offset where the client knows of none: of a repeat that the broker has had before.
    pub fn delivered(self, topic: &str, partition: i32, offset: i64) {
        let Some(mut span) = self.span(topic) else { return };
        span.set(PARTITION, partition.to_string());
        if offset >= 0 {
            span.set(OFFSET, offset);
        }
        span.end();
    }

    /// Kafka does not have it, as far as is known.
    pub fn failed(self, topic: &str, error_type: impl Into<StringValue>) {
        if let Some(span) = self.span(topic) {
            span.end_as(Some(error_type));
        }
    }

    fn span(self, topic: &str) -> Option<OpenSpan> {
        let attributes = message("send", topic, self.message_id);
        let span = SpanBuilder::from_name(format!("send {topic}"))
            .with_kind(SpanKind::Producer)
            .with_start_time(self.began)
            .with_attributes(attributes);
        self.creation.begin(span)
    }
}

/// A message as a consumer has it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Where it was read.
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// The consumer's group.
    pub group: &'a str,
    pub message_id: &'a str,
}

/// The span of what a consumer does with a message: a child of its creation context, and linked to it.
#[must_use]
pub fn process(creation: &Parent, delivery: &Delivery<'_>, began: SystemTime) -> Option<OpenSpan> {
    let topic = delivery.topic;
    let mut attributes = message("process", topic, delivery.message_id.to_owned());
    attributes.extend([
        KeyValue::new(PARTITION, delivery.partition.to_string()),
        KeyValue::new(OFFSET, delivery.offset),
        KeyValue::new("messaging.consumer.group.name", delivery.group.to_owned()),
    ]);
    let span = SpanBuilder::from_name(format!("process {topic}"))
        .with_kind(SpanKind::Consumer)
        .with_start_time(began)
        .with_links(vec![Link::with_context(creation.context().clone())])
        .with_attributes(attributes);
    creation.begin(span)
}

const PARTITION: &str = "messaging.destination.partition.id";
const OFFSET: &str = "messaging.kafka.offset";

fn message(operation: &'static str, topic: &str, id: String) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
        KeyValue::new("messaging.message.id", id),
    ]
}
