//! So many calls at once, as of REST: what comes beyond is refused at once. A stream has its place until it is open; open
//! ones are limited where they are opened. Health is always told.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use depot_retry::Bulkhead;
use http::{Request, Response};
use tonic::Code;
use tower::{Layer, Service};

use crate::status;

const HEALTH: &str = "/grpc.health.v1.";

/// Refuses calls for which there is no place.
#[derive(Debug, Clone)]
pub struct ShedLayer(pub Bulkhead);

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Shed<S> {
        Shed {
            inner,
            calls: self.0.clone(),
        }
    }
}

/// A service with so many places.
#[derive(Debug, Clone)]
pub struct Shed<S> {
    inner: S,
    calls: Bulkhead,
}

type Answer<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, Q, A> Service<Request<Q>> for Shed<S>
where
    S: Service<Request<Q>, Response = Response<A>, Future: Send + 'static>,
    A: Default,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Answer<Response<A>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let is_health = request.uri().path().starts_with(HEALTH);
        let place = if is_health { None } else { self.calls.enter() };
        if place.is_none() && !is_health {
            let message = "as many calls as are taken at once are under way".to_owned();
            let refused = status::with_retry(Code::Unavailable, "OVERLOADED", message, &[]);
            return Box::pin(async move { Ok(refused.into_http()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(place);
            answer
        })
    }
}
