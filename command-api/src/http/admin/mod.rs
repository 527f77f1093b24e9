//! `/api/v1/admin`: for operators. All of it needs the role `admin`, whatever its handlers ask; what changes something
//! is an [`crate::commands::AdminAction`], which is written to the audit in the transaction that does it.

mod cursor;
mod dlq;
mod outbox;
mod republish;
mod sagas;
mod sweep;
mod trace;

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{any, get, post},
};
use depot_schemas::{
    sweep::{Finding, FindingKind, SweepReport},
    trace::{Trace, TraceHop, TraceHopState, TracedKind},
};
use depot_service::{
    auth::{Door, require_admin},
    problem::Problem,
};
use utoipa::OpenApi;

use super::router::ApiState;

#[derive(OpenApi)]
#[openapi(
    paths(
        outbox::read, outbox::resume,
        dlq::list::list, dlq::show::show, dlq::redrive::redrive, dlq::redrive::redrive_one,
        dlq::discard::discard, dlq::discard::discard_one,
        sagas::list, sagas::show, sagas::resume, sweep::run, trace::show, republish::read, republish::begin,
    ),
    components(schemas(
        dlq::filter::LetterFilter, dlq::letter::LetterState, dlq::letter::LetterBody, dlq::list::LettersBody,
        dlq::letter::HeaderBody, dlq::letter::WholeLetterBody, dlq::redrive::RedriveBody, dlq::discard::DiscardBody,
        dlq::discard::DiscardOneBody, dlq::CountBody,
        sagas::SagaStateName, sagas::SagaBody, sagas::SagasBody, sagas::SagaSubjectBody, sagas::WholeSagaBody,
        sagas::ResumedSagaBody,
        Trace, TraceHop, TraceHopState, TracedKind,
        SweepReport, Finding, FindingKind, republish::RepublishBody,
        outbox::OutboxBody, outbox::ShardBody, outbox::ParkedBody, outbox::ResumedBody)),
    tags((name = "admin", description = "For operators: role `admin`; every change is written to the audit"))
)]
pub struct AdminApi;

/// The routes, and the door before them: also a path that is not there, or a method that is not allowed, is told only
/// to an admin.
pub fn routes(door: Arc<Door>) -> Router<ApiState> {
    Router::new()
        .route("/api/v1/admin/outbox", get(outbox::read))
        .route(
            "/api/v1/admin/outbox/parked/{aggregate}/resume",
            post(outbox::resume),
        )
        .route("/api/v1/admin/dlq", get(dlq::list::list))
        .route("/api/v1/admin/dlq/redrive", post(dlq::redrive::redrive))
        .route("/api/v1/admin/dlq/discard", post(dlq::discard::discard))
        .route(
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}",
            get(dlq::show::show),
        )
        .route(
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/redrive",
            post(dlq::redrive::redrive_one),
        )
        .route(
            "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/discard",
            post(dlq::discard::discard_one),
        )
        .route("/api/v1/admin/sagas", get(sagas::list))
        .route("/api/v1/admin/sagas/{saga}/{id}", get(sagas::show))
        .route("/api/v1/admin/sagas/{saga}/{id}/resume", post(sagas::resume))
        .route(
            "/api/v1/admin/republish",
            get(republish::read).post(republish::begin),
        )
        .route("/api/v1/admin/trace/{id}", get(trace::show))
        .route("/api/v1/admin/{*rest}", any(nothing_here))
        .layer(from_fn_with_state(door, require_admin))
}

/// Behind the same door, and apart: see [`super::router::sweep_router`].
pub fn sweep_routes(door: Arc<Door>) -> Router<ApiState> {
    Router::new()
        .route("/api/v1/admin/sweep", post(sweep::run))
        .layer(from_fn_with_state(door, require_admin))
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}
