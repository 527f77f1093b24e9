//! The span of a request.
//!
//! Making one was a quarter of what a hot read cost, and of most nobody ever hears. So a request that only reads, whose
//! caller is in no trace, in a process that exports none, has its span made when there is something to say in it: a line of
//! the log, a problem with its trace id. Every other request has it from the start.

use std::cell::OnceCell;

use http::HeaderMap;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument as _, Span};

use super::set_parent_from;

tokio::task_local! {
    static LATE: LateSpan;
}

/// A span that is made at the first look at it.
struct LateSpan {
    made: OnceCell<Span>,
    make: Box<dyn Fn() -> Span + Send>,
}

/// A request's span, now or later.
pub struct RequestSpan(Made);

enum Made {
    Now(Span),
    Late(LateSpan),
}

impl RequestSpan {
    /// The span that `make` gives, a child of the caller's if `headers` name one.
    pub fn new(is_read: bool, headers: &HeaderMap, make: impl Fn() -> Span + Send + 'static) -> Self {
        let traceparent = headers.get("traceparent");
        // Not by `tracing::enabled!`: what filters of layers remember of the question, they apply to the span that follows.
        let is_told = LevelFilter::current() >= LevelFilter::DEBUG || depot_spans::is_recording();
        if is_read && traceparent.is_none() && !is_told {
            return Self::late(make);
        }
        let span = make();
        let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let tracestate = headers.get("tracestate").and_then(text);
        set_parent_from(
            &span,
            traceparent.and_then(text).as_deref(),
            tracestate.as_deref(),
        );
        Self(Made::Now(span))
    }

    /// One that is made when it is first looked at.
    pub(crate) fn late(make: impl Fn() -> Span + Send + 'static) -> Self {
        Self(Made::Late(LateSpan {
            made: OnceCell::new(),
            make: Box::new(make),
        }))
    }

    /// Runs the request in it.
    pub async fn run<F: Future>(self, answering: F) -> F::Output {
        match self.0 {
            Made::Now(span) => answering.instrument(span).await,
            Made::Late(late) => LATE.scope(late, answering).await,
        }
    }
}

/// The span of the request that is being answered, made now if it was not; the span around otherwise. What is told of a
/// request is told in it.
#[must_use]
pub fn request_span() -> Span {
    let late = LATE.try_with(|late| late.made.get_or_init(&late.make).clone());
    late.unwrap_or_else(|_| Span::current())
}
