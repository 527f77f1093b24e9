//! `GET /api/v1/statistics`, `/api/v1/statistics/tags`, `/api/v1/statistics/owners`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
};
use depot_read_model::{OwnerStatistics, TagStatistics};
use depot_service::{auth::Principal, problem::Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Parameters;
use crate::queries::{PageLimit, Queries, Statistics, owner_statistics, statistics, tag_statistics};

/// Tags with the most items, first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagList {
    tags: Vec<TagStatistics>,
}

/// Owners with the most items, first.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnerList {
    owners: Vec<OwnerStatistics>,
}

fn parse_limit(query: Option<&str>) -> Result<PageLimit, Problem> {
    let mut parameters = Parameters::of(query);
    let limit = parameters.limit();
    parameters.finish()?;
    Ok(limit)
}

/// The tags and the owners with the most items. Statistics take no `min_version`.
#[utoipa::path(
    get,
    path = "/api/v1/statistics",
    tag = "statistics",
    params(("limit" = Option<i64>, Query, description = "The most of each; 1 to 200, 50 where nothing is said.")),
    responses(
        (status = 200, description = "Tags and owners.", body = Statistics),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn all(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    RawQuery(query): RawQuery,
) -> Result<Json<Statistics>, Problem> {
    let limit = parse_limit(query.as_deref())?;
    Ok(Json(statistics(&queries, &principal, limit).await?))
}

/// How many items carry each tag.
#[utoipa::path(
    get,
    path = "/api/v1/statistics/tags",
    tag = "statistics",
    params(("limit" = Option<i64>, Query, description = "1 to 200, 50 where nothing is said.")),
    responses(
        (status = 200, description = "Tags with the most items, first.", body = TagList),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn tags(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    RawQuery(query): RawQuery,
) -> Result<Json<TagList>, Problem> {
    let limit = parse_limit(query.as_deref())?;
    let tags = tag_statistics(&queries, &principal, limit).await?;
    Ok(Json(TagList { tags }))
}

/// How many items and files each owner has, and the sum of the files' sizes.
#[utoipa::path(
    get,
    path = "/api/v1/statistics/owners",
    tag = "statistics",
    params(("limit" = Option<i64>, Query, description = "1 to 200, 50 where nothing is said.")),
    responses(
        (status = 200, description = "Owners with the most items, first.", body = OwnerList),
        (status = 400, description = "invalid-parameter", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "unauthorized", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "unavailable, overloaded", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn owners(
    State(queries): State<Arc<Queries>>,
    principal: Principal,
    RawQuery(query): RawQuery,
) -> Result<Json<OwnerList>, Problem> {
    let limit = parse_limit(query.as_deref())?;
    let owners = owner_statistics(&queries, &principal, limit).await?;
    Ok(Json(OwnerList { owners }))
}
