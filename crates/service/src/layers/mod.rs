//! What wraps every router.
//!
//! From the outside in: request id and trace span, problem documents completed, metrics, CORS, panics caught, load
//! shed, time limit, body limit. Answers are not compressed: a compressed answer must not carry the strong `ETag`
//! that `If-Match` needs, so compression is left to a proxy, which weakens it.

mod cors;
mod limits;
mod measure;
mod panics;
mod problems;
mod trace;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use depot_retry::Bulkhead;

use crate::config::HttpConfig;
use crate::problem::Problem;

pub use limits::BodyLimit;

/// Wraps a public router. Routes added afterwards are not wrapped.
pub fn standard_layers<S>(router: Router<S>, config: &HttpConfig) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let places = Bulkhead::new("requests", config.max_concurrent_requests);
    let inner = router
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(config.max_body_bytes))
        .layer(from_fn_with_state(
            BodyLimit(config.max_body_bytes),
            limits::limit_body,
        ))
        .layer(from_fn_with_state(config.request_timeout, limits::limit_time))
        .layer(from_fn_with_state(places, limits::shed_load))
        .layer(panics::layer())
        .layer(cors::layer(&config.cors_origins));
    outer_layers(inner)
}

/// Wraps routes that take bodies as streams: without the limits of size and time, which their handlers have, and with
/// places of their own, of which slow clients take none from the other routes. It is merged into what
/// [`standard_layers`] made, which answers where nothing is.
pub fn streaming_layers<S>(router: Router<S>, config: &HttpConfig, places: Bulkhead) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let inner = router
        .layer(from_fn_with_state(places, limits::shed_load))
        .layer(panics::layer())
        .layer(cors::layer(&config.cors_origins));
    outer_layers(inner)
}

/// Wraps the admin router: no limits, since it must answer when the process is busiest.
pub(crate) fn admin_layers(router: Router) -> Router {
    outer_layers(router.fallback(nothing_here).layer(panics::layer()))
}

fn outer_layers<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router
        .layer(from_fn(measure::measure))
        .layer(from_fn(problems::complete))
        .layer(from_fn(trace::trace))
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}
