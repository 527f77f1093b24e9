//! `/api/v1/admin`: for operators. All of it needs the role `admin`, whatever its handlers ask; what changes something
//! is an [`crate::commands::AdminAction`], which is written to the audit in the transaction that does it.

mod dlq;
mod dlq_cursor;
mod outbox;
mod sweep;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{any, get, post},
};
use depot_schemas::sweep::{Finding, FindingKind, SweepReport};
use depot_service::{
    auth::{Role, TokenVerifier},
    problem::Problem,
};
use utoipa::OpenApi;

use super::router::ApiState;

#[derive(OpenApi)]
#[openapi(
    paths(
        outbox::read, outbox::resume, sweep::run,
        dlq::list, dlq::show, dlq::redrive, dlq::discard, dlq::redrive_one, dlq::discard_one,
    ),
    components(schemas(
        dlq::LetterFilter, dlq::LetterState, dlq::LetterBody, dlq::LettersBody, dlq::HeaderBody, dlq::WholeLetterBody,
        dlq::RedriveBody, dlq::DiscardBody, dlq::CountBody,
        SweepReport, Finding, FindingKind,
        outbox::OutboxBody, outbox::ShardBody, outbox::ParkedBody, outbox::ResumedBody)),
    tags((name = "admin", description = "For operators: role `admin`; every change is written to the audit"))
)]
pub struct AdminApi;

/// The routes, and the door before them: also a path that is not there, or a method that is not allowed, is told only
/// to an admin.
pub fn routes(tokens: Arc<TokenVerifier>) -> Router<ApiState> {
    Router::new()
        .route("/api/v1/admin/outbox", get(outbox::read))
        .route(
            "/api/v1/admin/outbox/parked/{aggregate}/resume",
            post(outbox::resume),
        )
        .route("/api/v1/admin/dlq", get(dlq::list))
        .route("/api/v1/admin/dlq/redrive", post(dlq::redrive))
        .route("/api/v1/admin/dlq/discard", post(dlq::discard))
        .route(
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}",
            get(dlq::show),
        )
        .route(
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/redrive",
            post(dlq::redrive_one),
        )
        .route(
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/discard",
            post(dlq::discard_one),
        )
        .route("/api/v1/admin/{*rest}", any(nothing_here))
        .layer(from_fn_with_state(tokens, require_admin))
}

/// Behind the same door, and apart: see [`super::router::sweep_router`].
pub fn sweep_routes(tokens: Arc<TokenVerifier>) -> Router<ApiState> {
    Router::new()
        .route("/api/v1/admin/sweep", post(sweep::run))
        .layer(from_fn_with_state(tokens, require_admin))
}

async fn require_admin(
    State(tokens): State<Arc<TokenVerifier>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    tokens
        .authenticate_headers(request.headers())?
        .require(Role::Admin)?;
    Ok(next.run(request).await)
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}
