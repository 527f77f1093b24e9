//! W3C Trace Context in and out.

use depot_spans::remote_context;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::request_span;

pub use depot_spans::{TraceHeaders, current_trace_headers};

/// `traceparent` of the current span; `None` outside of a trace.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    current_trace_headers().map(|headers| headers.traceparent)
}

/// The id of the current trace, as 32 hexadecimal digits. A request whose span was not made yet has it made.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    context_of_what_is_told().map(|context| context.trace_id().to_string())
}

/// What names the current span; that of a request is made now, if it was not yet.
pub(super) fn context_of_what_is_told() -> Option<SpanContext> {
    current_span_context().or_else(|| request_span().in_scope(current_span_context))
}

/// Makes `span` a child of the span that sent these headers. Malformed headers count as none.
///
/// Call it before the span is entered or used to instrument a future: its parent is fixed from then on.
pub fn set_parent_from(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    let context = remote_context(traceparent, tracestate);
    if context.span().span_context().is_valid() {
        // Fails where no trace layer is installed, or the span is filtered out: then there is nothing to join.
        let _joined = span.set_parent(context);
    }
}

/// Links `span` to the span that sent these headers, where its trace is recorded: a link to what nobody keeps leads nowhere.
pub fn add_link_from(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    if let Some(sender) = depot_spans::Parent::of(traceparent, tracestate) {
        span.add_link(sender.context().clone());
    }
}

fn current_span_context() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span();
        Some(span.span_context())
            .filter(|context| context.is_valid())
            .cloned()
    })
}
