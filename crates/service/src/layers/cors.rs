//! Which browsers may call.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::{Either, Map};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER,
    VARY, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method};
use tower::{Layer, Service};
use tower_http::cors::{self, AllowOrigin, CorsLayer};

/// What [`CorsLayer`] says in every answer.
const VARIES_BY: HeaderValue = HeaderValue::from_static("origin");

/// Answers the browsers. Who names no origin is none, and passes by: the layer is cloned for each request that it sees, and
/// writes a handful of headers that nobody reads.
#[derive(Clone)]
pub(super) struct BrowsersLayer(Arc<CorsLayer>);

impl BrowsersLayer {
    pub fn new(origins: &[HeaderValue]) -> Self {
        Self(Arc::new(rules(origins)))
    }
}

impl<S> Layer<S> for BrowsersLayer {
    type Service = Browsers<S>;

    fn layer(&self, inner: S) -> Browsers<S> {
        Browsers {
            inner,
            rules: Arc::clone(&self.0),
        }
    }
}

#[derive(Clone)]
pub(super) struct Browsers<S> {
    inner: S,
    rules: Arc<CorsLayer>,
}

type Answer = Result<Response, Infallible>;

impl<S> Service<Request> for Browsers<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<cors::ResponseFuture<S::Future>, Map<S::Future, fn(Answer) -> Answer>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.headers().contains_key(ORIGIN) {
            // The one that is ready answers, and its clone is ready when it is asked.
            let fresh = self.inner.clone();
            let ready = std::mem::replace(&mut self.inner, fresh);
            return Either::Left(self.rules.layer(ready).call(request));
        }
        Either::Right(self.inner.call(request).map(varies as fn(Answer) -> Answer))
    }
}

/// What is kept of an answer is not for a browser that asks.
fn varies(answer: Answer) -> Answer {
    let Ok(mut response) = answer;
    response.headers_mut().append(VARY, VARIES_BY);
    Ok(response)
}

/// Allows the listed origins and no other; lets scripts read the headers that the API answers with.
fn rules(origins: &[HeaderValue]) -> CorsLayer {
    let own = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            own("idempotency-key"),
            own("last-event-id"),
            own("prefer"),
            own("traceparent"),
            own("tracestate"),
            own("x-request-id"),
        ])
        .expose_headers([
            ETAG,
            LINK,
            LOCATION,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            own("idempotency-replayed"),
            own("preference-applied"),
            own("ratelimit-limit"),
            own("ratelimit-remaining"),
            own("ratelimit-reset"),
            own("x-request-id"),
        ])
        .max_age(Duration::from_secs(600))
}
