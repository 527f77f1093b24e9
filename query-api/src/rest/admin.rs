//! `/api/v1/admin`: for operators; all of it needs the role `admin`, whatever its handlers ask. Nothing is changed here.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use depot_schemas::trace::Trace;
use depot_service::{
    auth::{Door, require_admin},
    params::PathParams,
    problem::Problem,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{RestState, answer::unkept, parameters::Parameters};
use crate::{
    pipeline::{Picture, Pipeline},
    queries::{QueryError, Tracer},
};

/// The routes, and the door before them: also a path that is not there is told only to an admin.
pub fn routes(door: Arc<Door>) -> Router<RestState> {
    Router::new()
        .route("/api/v1/admin/pipeline", get(pipeline))
        .route("/api/v1/admin/trace/{id}", get(trace))
        .route("/api/v1/admin/{*rest}", any(nothing_here))
        .layer(from_fn_with_state(door, require_admin))
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}

/// The whole at work: each part with its state, its processes and its figures, and the main ones over the last quarter of an hour.
///
/// It is answered from memory, also while stores are away. A process that stops, a broker that is away and letters that are
/// given up are seen within three seconds.
#[utoipa::path(
    get,
    path = "/api/v1/admin/pipeline",
    tag = "admin",
    params(("series_since" = Option<String>, Query, description = "Only points of the series after this moment, RFC 3339; all where nothing is said.")),
    responses(
        (status = 200, description = "The picture of this moment.", body = Picture),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: the process has just begun, and has asked nobody yet", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn pipeline(
    State(pipeline): State<Pipeline>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(query.as_deref());
    let since = parameters.one("series_since", |text| {
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "is no time such as 2026-12-01T09:30:00Z")
    });
    parameters.finish()?;
    let picture = pipeline.picture(since).await;
    let picture = picture.ok_or_else(|| Problem::known_unavailable("the picture of the pipeline"))?;
    Ok(unkept(Json(picture).into_response()))
}

/// Where an item or an upload is, as the views and the cache have it: its versions with their places in the log, its row, what
/// Redis has. Its state, its outbox, its saga and its dead letters are told of by the command API, under the same path.
#[utoipa::path(
    get,
    path = "/api/v1/admin/trace/{id}",
    tag = "admin",
    params(("id" = Uuid, Path, description = "Of an item or an upload.")),
    responses(
        (status = 200, description = "Where it is.", body = Trace),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nothing in the views has this id.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn trace(
    State(tracer): State<Tracer>,
    PathParams(id): PathParams<Uuid>,
) -> Result<Response, Problem> {
    let found = tracer
        .trace(id)
        .await
        .map_err(|error| QueryError::Read(Arc::new(error)))?;
    let found = found.ok_or_else(|| Problem::not_found("No item and no upload of the views has this id."))?;
    Ok(unkept(Json(found).into_response()))
}
