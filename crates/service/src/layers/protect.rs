//! Limits on body size, time and concurrency, and panics.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse as _, Response};
use depot_retry::{Bulkhead, Place};
use futures::future::BoxFuture;
use http::header::CONTENT_LENGTH;

use tower::{Layer, Service};

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

impl Protection {
    /// Lets a request in, to a place where there are some.
    ///
    /// # Errors
    /// As many requests are in progress as the service takes: a queue in front of the places would only make all of them
    /// late. Or its body announces itself as too large, of which no byte is read; one without a length is cut off by the
    /// extractor.
    fn admit(&self, request: &mut Request) -> Result<Option<Place>, Problem> {
        let place = self.places.as_ref().map(Bulkhead::enter);
        if matches!(place, Some(None)) {
            return Err(Problem::overloaded());
        }
        if let Some(limit) = self.body {
            if announces_more(request, limit) {
                return Err(Problem::payload_too_large(limit.0));
            }
            if !request.body().is_end_stream() {
                DefaultBodyLimit::max(limit.0).apply(request);
                request.extensions_mut().insert(limit);
            }
        }
        Ok(place.flatten())
    }
}

/// Keeps handlers from being asked for too much, and answers for one that takes too long or panics.
#[derive(Clone)]
pub(super) struct ProtectLayer(pub Arc<Protection>);

#[derive(Clone)]
pub(super) struct Protect<S> {
    inner: S,
    protection: Arc<Protection>,
}

impl<S> Layer<S> for ProtectLayer {
    type Service = Protect<S>;

    fn layer(&self, inner: S) -> Protect<S> {
        Protect {
            inner,
            protection: Arc::clone(&self.0),
        }
    }
}

impl<S> Service<Request> for Protect<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let place = match self.protection.admit(&mut request) {
            Ok(place) => place,
            // Made where the span of the request is.
            Err(refused) => return Box::pin(async { Ok(refused.into_response()) }),
        };
        let (answering, time) = (self.inner.call(request), self.protection.time);
        Box::pin(async move {
            let _held = place;
            let answering = panics::caught(async move {
                let Ok(response) = answering.await;
                response
            });
            Ok(in_time(time, answering).await)
        })
    }
}

async fn in_time(limit: Option<Duration>, answering: impl Future<Output = Response>) -> Response {
    let mut answering = pin!(answering);
    // What waits for nothing needs no timer.
    if let Poll::Ready(response) = futures::poll!(answering.as_mut()) {
        return response;
    }
    let Some(limit) = limit else {
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
