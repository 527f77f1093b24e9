//! What is seen of a request from the outside.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use tower::{Layer, Service};

use super::measure::Measure;
use super::problems;
use super::trace::Trace;

/// Traces and measures each request, and completes its problem document in its span.
#[derive(Clone, Copy)]
pub(super) struct ObserveLayer;

#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner }
    }
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let started = Instant::now();
        let ((trace, span), measure) = (Trace::begin(&request, started), Measure::begin(&request, started));
        let uri = request.uri().clone();
        let answering = self.inner.call(request);
        Box::pin(span.run(async move {
            let response = answering.await?;
            measure.end(&response);
            let mut response = problems::complete(response, &uri).await;
            trace.end(&mut response);
            Ok(response)
        }))
    }
}
