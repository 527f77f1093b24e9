//! The span of a message that is handled by itself.

use tracing::Span;
use tracing::field::Empty;

use super::{add_link_from, set_parent_from};

/// A message as its consumer has it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Where it was read.
    pub topic: &'a str,
    /// Its partition there.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// The consumer's group.
    pub group: &'a str,
    /// The event's id, where it is an event.
    pub id: Option<&'a str>,
    /// The context in which it was made, as it carries it.
    pub traceparent: Option<&'a str>,
    /// What vendors add to that.
    pub tracestate: Option<&'a str>,
}

/// The span in which a message is to be handled: a child of what caused the message, and linked to it.
///
/// Where many messages are handled at once each that is recorded has one of `depot_spans::messaging` instead; the names and
/// attributes are the same.
#[must_use]
pub fn process_span(message: &Message<'_>) -> Span {
    let span = tracing::info_span!(
        "process",
        otel.name = format_args!("process {}", message.topic),
        otel.kind = "consumer",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "kafka",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = message.topic,
        messaging.destination.partition.id = %message.partition,
        messaging.consumer.group.name = message.group,
        messaging.kafka.offset = message.offset,
        messaging.message.id = message.id,
    );
    set_parent_from(&span, message.traceparent, message.tracestate);
    add_link_from(&span, message.traceparent, message.tracestate);
    span
}

/// Marks such a span as one of a failure; `error_type` is one of a few words.
pub fn process_failed(span: &Span, error_type: &str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}
