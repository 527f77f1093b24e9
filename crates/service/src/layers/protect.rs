//! Limits on body size, time and concurrency, and panics.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use depot_retry::Bulkhead;
use http::header::CONTENT_LENGTH;

use super::panics;
use crate::problem::Problem;

/// The largest body that the router takes, in bytes; in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

/// What keeps handlers from being asked for too much; each limit only where there is one.
#[derive(Debug, Default)]
pub(super) struct Protection {
    pub places: Option<Bulkhead>,
    /// The handler is dropped when it is over: what must not be cut off runs in a task of its own.
    pub time: Option<Duration>,
    pub body: Option<BodyLimit>,
}

/// Answers at once when as many requests are in progress as the service takes, for a body that announces itself as too large
/// before a byte of it is read, and for a handler that takes too long or panics. A queue in front of the places would only
/// make all of them late; a body without a length is cut off by the extractor.
pub(super) async fn protect(
    State(protection): State<Arc<Protection>>,
    mut request: Request,
    next: Next,
) -> Response {
    let _place = match protection.places.as_ref().map(Bulkhead::enter) {
        Some(None) => return Problem::overloaded().into_response(),
        place => place.flatten(),
    };
    if let Some(limit) = protection.body {
        if announces_more(&request, limit) {
            return Problem::payload_too_large(limit.0).into_response();
        }
        DefaultBodyLimit::max(limit.0).apply(&mut request);
        request.extensions_mut().insert(limit);
    }
    let answering = panics::caught(next.run(request));
    let Some(limit) = protection.time else {
        return answering.await;
    };
    match tokio::time::timeout(limit, answering).await {
        Ok(response) => response,
        Err(_) => Problem::timeout().into_response(),
    }
}

fn announces_more(request: &Request, limit: BodyLimit) -> bool {
    let announced = request.headers().get(CONTENT_LENGTH);
    let bytes = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    bytes.is_some_and(|bytes| bytes > limit.0 as u64)
}
