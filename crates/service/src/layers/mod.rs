//! What wraps every router.
//!
//! From the outside in: request id and trace span, problem documents completed, metrics, CORS, panics caught, load
//! shed, time limit, body limit. Answers are not compressed: a compressed answer must not carry the strong `ETag`
//! that `If-Match` needs, so compression is left to a proxy, which weakens it.
//!
//! All of it is one layer of the router, and none is a function with `Next`: axum boxes a route and its future at each layer,
//! and at each `Next`, and clones them for each request.

mod cors;
mod measure;
mod observe;
mod panics;
mod problems;
mod protect;
mod trace;

use std::sync::Arc;

use axum::Router;
use depot_retry::Bulkhead;

use crate::config::HttpConfig;
use crate::problem::Problem;

pub use protect::BodyLimit;

use cors::BrowsersLayer;
use observe::ObserveLayer;
use protect::{ProtectLayer, Protection};

/// Wraps a public router. Routes added afterwards are not wrapped.
pub fn standard_layers<S>(router: Router<S>, config: &HttpConfig) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let protection = Protection {
        places: Some(Bulkhead::new("requests", config.max_concurrent_requests)),
        time: Some(config.request_timeout),
        body: Some(BodyLimit(config.max_body_bytes)),
    };
    public_layers(router.fallback(nothing_here), config, protection)
}

/// Wraps routes that take bodies as streams: without the limits of size and time, which their handlers have, and with
/// places of their own, of which slow clients take none from the other routes. It is merged into what
/// [`standard_layers`] made, which answers where nothing is.
pub fn streaming_layers<S>(router: Router<S>, config: &HttpConfig, places: Bulkhead) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let protection = Protection {
        places: Some(places),
        ..Protection::default()
    };
    public_layers(router, config, protection)
}

/// Wraps routes that bring many requests in one: with the limits of size and time of `config`, which may be others than
/// those of [`standard_layers`], and with places of their own. It is merged as [`streaming_layers`] is.
pub fn bulk_layers<S>(router: Router<S>, config: &HttpConfig, places: Bulkhead) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let protection = Protection {
        places: Some(places),
        time: Some(config.request_timeout),
        body: Some(BodyLimit(config.max_body_bytes)),
    };
    public_layers(router, config, protection)
}

/// Wraps routes whose answers are written while their bodies are read. What they hold, they hold until the answer has
/// ended, long after its head: so they have places and deadlines of their own. It is merged as [`streaming_layers`] is.
pub fn duplex_layers<S>(router: Router<S>, config: &HttpConfig) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    public_layers(router, config, Protection::default())
}

/// Wraps the admin router: no limits, since it must answer when the process is busiest.
pub(crate) fn admin_layers(router: Router) -> Router {
    let protection = Arc::new(Protection::default());
    router
        .fallback(nothing_here)
        .layer((ObserveLayer, ProtectLayer(protection)))
}

fn public_layers<S>(router: Router<S>, config: &HttpConfig, protection: Protection) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer((
        ObserveLayer,
        BrowsersLayer::new(&config.cors_origins),
        ProtectLayer(Arc::new(protection)),
    ))
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}
