use std::time::SystemTime;

use opentelemetry::{
    Context, KeyValue, StringValue, Value,
    trace::{Span as _, Status, TraceContextExt as _},
};
use opentelemetry_sdk::trace::Span;

use crate::context::{Parent, TraceHeaders};

/// A span that has begun. One that is dropped ends then, without a word on how.
// Boxed: few are open, among many futures that have room for one.
#[derive(Debug)]
pub struct OpenSpan(Box<Span>);

impl OpenSpan {
    pub(crate) fn new(span: Span) -> Self {
        Self(Box::new(span))
    }

    /// As the parent of further spans.
    #[must_use]
    pub fn as_parent(&self) -> Parent {
        Parent::new(self.0.span_context().clone())
    }

    /// The headers that name it.
    #[must_use]
    pub fn headers(&self) -> TraceHeaders {
        TraceHeaders::of(self.0.span_context())
    }

    /// The current context with this span in it.
    pub(crate) fn around(&self) -> Context {
        Context::current().with_remote_span_context(self.0.span_context().clone())
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(name, value));
    }

    /// Marks it as failed; `error_type` is one of a few words, such as a code.
    pub fn fail(&mut self, error_type: impl Into<StringValue>) {
        self.set("error.type", error_type.into());
        self.0.set_status(Status::error(""));
    }

    /// Ends it now.
    pub fn end(self) {
        self.end_at(SystemTime::now());
    }

    /// Ends it at a time that has passed.
    pub fn end_at(mut self, at: SystemTime) {
        self.0.end_with_timestamp(at);
    }

    /// Ends it now, as failed if there is an error.
    pub fn end_as(mut self, error_type: Option<impl Into<StringValue>>) {
        if let Some(error_type) = error_type {
            self.fail(error_type);
        }
        self.end();
    }
}
