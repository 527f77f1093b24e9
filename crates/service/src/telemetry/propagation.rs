//! W3C Trace Context in and out.

use std::fmt::Write as _;
use std::sync::LazyLock;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, TraceFlags};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The two headers that carry a trace to the next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// Vendors' data, where there is some.
    pub tracestate: Option<String>,
}

/// The headers of the current span; `None` outside of a trace.
#[must_use]
pub fn current_trace_headers() -> Option<TraceHeaders> {
    let context = current_span_context()?;
    let mut traceparent = String::with_capacity(55);
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    write!(
        traceparent,
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        flags.to_u8()
    )
    .ok()?;
    let tracestate = Some(context.trace_state().header()).filter(|state| !state.is_empty());
    Some(TraceHeaders {
        traceparent,
        tracestate,
    })
}

/// `traceparent` of the current span; `None` outside of a trace.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    current_trace_headers().map(|headers| headers.traceparent)
}

/// The id of the current trace, as 32 hexadecimal digits.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    current_span_context().map(|context| context.trace_id().to_string())
}

/// Makes `span` a child of the span that sent these headers. Malformed headers count as none.
///
/// Call it before the span is entered or used to instrument a future: its parent is fixed from then on.
pub fn set_parent_from(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    let context = extract(traceparent, tracestate);
    if context.span().span_context().is_valid() {
        // Fails where no trace layer is installed, or the span is filtered out: then there is nothing to join.
        let _joined = span.set_parent(context);
    }
}

/// Links `span` to the span that sent these headers: what a consumer does with the context of a message.
pub fn add_link_from(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    let context = extract(traceparent, tracestate);
    // An invalid context is ignored there.
    span.add_link(context.span().span_context().clone());
}

fn current_span_context() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span();
        Some(span.span_context())
            .filter(|context| context.is_valid())
            .cloned()
    })
}

fn extract(traceparent: Option<&str>, tracestate: Option<&str>) -> Context {
    static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);
    if traceparent.is_none() {
        return Context::new();
    }
    PROPAGATOR.extract_with_context(
        &Context::new(),
        &Carrier {
            traceparent,
            tracestate,
        },
    )
}

struct Carrier<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
