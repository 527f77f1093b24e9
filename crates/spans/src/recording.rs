//! Whether this process exports spans, and by what.

use std::sync::OnceLock;

use opentelemetry::{
    Context,
    trace::{Span as _, SpanBuilder, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::{context::Parent, open::OpenSpan};

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// From now on this process has spans, which `provider` exports. The first call of a process counts.
pub fn record_by(provider: &SdkTracerProvider) {
    TRACER.get_or_init(|| provider.tracer("depot"));
}

/// Whether anything that is told here is exported.
#[must_use]
pub fn is_recording() -> bool {
    TRACER.get().is_some()
}

impl Parent {
    /// None at the very end of the process, when nothing is exported any more.
    pub(crate) fn begin(&self, span: SpanBuilder) -> Option<OpenSpan> {
        let around = Context::new().with_remote_span_context(self.context().clone());
        let span = TRACER.get()?.build_with_context(span, &around);
        span.span_context().is_valid().then(|| OpenSpan::new(span))
    }
}
