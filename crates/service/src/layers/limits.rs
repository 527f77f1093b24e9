//! Limits on body size, time and concurrency.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use depot_retry::Bulkhead;
use http::header::CONTENT_LENGTH;

use crate::problem::Problem;

/// The largest body that the router takes, in bytes; in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

/// Refuses a body that announces itself as too large before a byte of it is read. A body without a length is cut off
/// by the extractor.
pub(super) async fn limit_body(State(limit): State<BodyLimit>, mut request: Request, next: Next) -> Response {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit.0 as u64) {
        return Problem::payload_too_large(limit.0).into_response();
    }
    request.extensions_mut().insert(limit);
    next.run(request).await
}

/// Answers for a handler that takes too long. The handler is dropped: what must not be cut off runs in a task of its
/// own.
pub(super) async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timeout().into_response(),
    }
}

/// Answers at once when as many requests are in progress as the service takes: a queue would only make all of them
/// late.
pub(super) async fn shed_load(State(places): State<Bulkhead>, request: Request, next: Next) -> Response {
    match places.enter() {
        Some(_place) => next.run(request).await,
        None => Problem::overloaded().into_response(),
    }
}
