//! The spans that a test's own process told.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use opentelemetry::{Context, trace::TraceId};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};

/// Keeps every span that has ended. Tests of one process share it, and look for traces of their own.
#[derive(Debug, Clone, Default)]
pub struct RecordedSpans(Arc<Mutex<Vec<SpanData>>>);

impl RecordedSpans {
    /// From the first call on, this process records spans as one does that exports them.
    pub fn keep() -> Self {
        static KEPT: OnceLock<RecordedSpans> = OnceLock::new();
        let begin = || {
            let kept = Self::default();
            let provider = SdkTracerProvider::builder()
                .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
                .with_span_processor(kept.clone())
                .build();
            depot_spans::record_by(&provider);
            kept
        };
        KEPT.get_or_init(begin).clone()
    }

    /// Those of one trace that have ended so far, in the order of their ends.
    pub fn of_trace(&self, trace: &str) -> Vec<SpanData> {
        let trace = TraceId::from_hex(trace).expect("32 hexadecimal digits");
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_trace = kept.iter().filter(|span| span.span_context.trace_id() == trace);
        of_trace.cloned().collect()
    }
}

impl SpanProcessor for RecordedSpans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A `traceparent` of a trace that nobody else has, and the trace's id. The last digit says whether it is recorded.
pub fn new_traceparent(is_sampled: bool) -> (String, String) {
    let trace = uuid::Uuid::now_v7().simple().to_string();
    let parent = format!("00-{trace}-00f067aa0ba902b7-0{}", u8::from(is_sampled));
    (parent, trace)
}

/// The value of a span's attribute as text; empty where it has none of that name.
pub fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key.as_str() == name);
    found
        .map(|pair| pair.value.as_str().into_owned())
        .unwrap_or_default()
}
