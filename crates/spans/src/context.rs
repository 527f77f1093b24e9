//! W3C Trace Context, and what of it is recorded.

use std::{fmt::Write as _, sync::LazyLock};

use opentelemetry::{
    Context, TraceFlags,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use crate::recording::is_recording;

/// The two headers that carry a trace to the next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// Vendors' data, where there is some.
    pub tracestate: Option<String>,
}

impl TraceHeaders {
    /// The headers that name `context`.
    #[must_use]
    pub fn of(context: &SpanContext) -> Self {
        let mut traceparent = String::with_capacity(55);
        let flags = context.trace_flags() & TraceFlags::SAMPLED;
        // A string takes whatever is written.
        let _written = write!(
            traceparent,
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            flags.to_u8()
        );
        let tracestate = Some(context.trace_state().header()).filter(|state| !state.is_empty());
        Self {
            traceparent,
            tracestate,
        }
    }
}

/// The headers of the current span, recorded or not; `None` outside of a trace.
#[must_use]
pub fn current_trace_headers() -> Option<TraceHeaders> {
    Context::map_current(|context| {
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| TraceHeaders::of(context))
    })
}

/// A span in a trace that is recorded here: what is told in it is exported. It may be one of another process.
#[derive(Debug, Clone)]
pub struct Parent(SpanContext);

impl Parent {
    /// The current span.
    #[must_use]
    pub fn current() -> Option<Self> {
        if !is_recording() {
            return None;
        }
        Context::map_current(|context| {
            let span = context.span();
            let context = span.span_context();
            (context.is_valid() && context.is_sampled()).then(|| Self(context.clone()))
        })
    }

    /// The span that sent these headers. Malformed headers count as none.
    #[must_use]
    pub fn of(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Self> {
        let traceparent = traceparent.filter(|sent| is_recording() && says_sampled(sent))?;
        let context = remote_context(Some(traceparent), tracestate);
        let span = context.span();
        let context = span.span_context();
        (context.is_valid() && context.is_sampled()).then(|| Self(context.clone()))
    }

    pub(crate) fn new(context: SpanContext) -> Self {
        Self(context)
    }

    /// What names the span.
    #[must_use]
    pub fn context(&self) -> &SpanContext {
        &self.0
    }
}

/// Whether the last digit of the flags says that the sender records its trace: one look at each event that is not in a
/// recorded one.
fn says_sampled(traceparent: &str) -> bool {
    let flags = traceparent.as_bytes().get(54);
    flags.is_some_and(|digit| char::from(*digit).to_digit(16).is_some_and(|bits| bits & 1 == 1))
}

/// The context of the span that sent these headers; an empty one for malformed headers.
#[must_use]
pub fn remote_context(traceparent: Option<&str>, tracestate: Option<&str>) -> Context {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";

    #[test]
    fn the_flag_is_the_lowest_bit_of_the_last_digit() {
        for (flags, says) in [
            ("01", true),
            ("03", true),
            ("00", false),
            ("02", false),
            ("0x", false),
        ] {
            assert_eq!(says_sampled(&format!("{SENT}{flags}")), says, "{flags}");
        }
        for malformed in ["", "01", SENT] {
            assert!(!says_sampled(malformed), "{malformed}");
        }
    }

    #[test]
    fn headers_name_the_span_that_they_came_from() {
        for flags in ["00", "01"] {
            let sent = format!("{SENT}{flags}");
            let context = remote_context(Some(&sent), Some("vendor=1"));
            let headers = TraceHeaders::of(context.span().span_context());
            assert_eq!(headers.traceparent, sent);
            assert_eq!(headers.tracestate.as_deref(), Some("vendor=1"));
        }
    }

    #[test]
    fn a_process_that_exports_nothing_has_no_parent() {
        let sent = format!("{SENT}01");
        assert!(Parent::of(Some(&sent), None).is_none());
        let _entered = remote_context(Some(&sent), None).attach();
        assert!(Parent::current().is_none());
        assert_eq!(current_trace_headers().unwrap().traceparent, sent);
    }
}
