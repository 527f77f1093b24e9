//! The admin listener's routes, and the public health routes.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use super::Readiness;
use crate::layers;
use crate::metrics::Metrics;

/// The answer of the public health routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HealthBody {
    /// Always `ok`: the process answers.
    pub status: String,
}

/// Answers that the process is alive; looks at no dependency.
pub async fn health() -> Json<HealthBody> {
    Json(HealthBody {
        status: "ok".to_owned(),
    })
}

/// `GET /health` and `GET /api/v1/health`.
pub fn public_routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/health", get(health))
}

/// `/metrics`, `/livez`, `/readyz`, `/startupz`: for the admin port.
pub fn admin_router(readiness: Readiness, metrics: Metrics) -> Router {
    admin_router_with(readiness, metrics, Router::new())
}

/// As [`admin_router`], with more routes under the same layers.
pub fn admin_router_with(readiness: Readiness, metrics: Metrics, more: Router) -> Router {
    let probes = Router::new()
        .route("/livez", get(health))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .with_state(readiness);
    let scrape = Router::new().route("/metrics", get(render)).with_state(metrics);
    layers::admin_layers(probes.merge(scrape).merge(more))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let report = readiness.report().await;
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

/// 200 once the process was ready: a later outage of a dependency does not undo the start.
async fn started(State(readiness): State<Readiness>) -> Response {
    if readiness.has_started() {
        return health().await.into_response();
    }
    let report = readiness.report().await;
    let status = if readiness.has_started() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn render(State(metrics): State<Metrics>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
        .into_response()
}
