use axum::{Json, extract::State};
use depot_outbox::{Overview, overview};
use depot_service::{params::PathParams, problem::Problem};
use http::StatusCode;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    commands::{Audited, CommandError, ResumeAggregate},
    http::{
        answer::Answer,
        error,
        executor::Executor,
        router::Database,
        write_request::{AdminWrite, RawBody},
    },
    store::StoreError,
};

/// What waits to be published.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutboxBody {
    /// Rows not known to be published. A shard is counted up to 1,000; see `is_capped`.
    pub rows: i64,
    /// True if a shard holds more than was counted.
    pub is_capped: bool,
    /// When the oldest of the counted rows was written.
    #[serde(with = "time::serde::rfc3339::option")]
    pub oldest_at: Option<OffsetDateTime>,
    /// Shards that have rows waiting, or that no relay holds.
    pub shards: Vec<ShardBody>,
    /// Aggregates that wait to be resumed, oldest first; at most 1,000.
    pub parked: Vec<ParkedBody>,
}

/// One of the 64 shards.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShardBody {
    pub shard: i16,
    pub rows: i64,
    /// Whether a relay holds a lease that has not run out.
    pub is_held: bool,
}

/// An aggregate of which Kafka refused an event for good.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParkedBody {
    pub aggregate_id: Uuid,
    pub shard: i16,
    pub rows: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub parked_at: OffsetDateTime,
    pub reason: String,
    pub is_resume_requested: bool,
}

/// What was asked of the relay.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResumedBody {
    pub aggregate_id: Uuid,
    pub is_resume_requested: bool,
}

impl From<Overview> for OutboxBody {
    fn from(overview: Overview) -> Self {
        let shards = overview
            .shards
            .iter()
            .filter(|shard| shard.rows > 0 || !shard.held);
        let parked = overview.parked.into_iter().map(|parked| ParkedBody {
            aggregate_id: parked.aggregate_id,
            shard: parked.shard,
            rows: parked.rows,
            parked_at: parked.parked_at,
            reason: parked.reason,
            is_resume_requested: parked.resume_requested,
        });
        Self {
            rows: overview.shards.iter().map(|shard| shard.rows).sum(),
            is_capped: overview.shards.iter().any(|shard| shard.capped),
            oldest_at: overview.shards.iter().filter_map(|shard| shard.oldest_at).min(),
            shards: shards
                .map(|shard| ShardBody {
                    shard: shard.shard,
                    rows: shard.rows,
                    is_held: shard.held,
                })
                .collect(),
            parked: parked.collect(),
        }
    }
}

/// How much of command-api's outbox is not published, and what is parked.
#[utoipa::path(
    get, path = "/api/v1/admin/outbox", tag = "admin",
    responses(
        (status = 200, description = "The outbox as it is now", body = OutboxBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn read(State(database): State<Database>) -> Result<Json<OutboxBody>, Problem> {
    let overview = overview(&database.0)
        .await
        .map_err(StoreError::doing("look at the outbox"))
        .map_err(|error| error::problem(&CommandError::from(error)))?;
    Ok(Json(OutboxBody::from(overview)))
}

/// Asks the relay to publish a parked aggregate's events, in order, and to go on with it. If Kafka refuses again, it is
/// parked again.
#[utoipa::path(
    post, path = "/api/v1/admin/outbox/parked/{aggregate}/resume", tag = "admin",
    params(
        ("aggregate" = Uuid, Path, description = "The aggregate's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 202, description = "The relay will take it up", body = ResumedBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "It is not parked", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn resume(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    PathParams(aggregate_id): PathParams<Uuid>,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let action = Audited::new(write.actor.clone(), ResumeAggregate { aggregate_id });
    let answer = ResumedBody {
        aggregate_id,
        is_resume_requested: true,
    };
    let render = move |()| Answer::json(StatusCode::ACCEPTED, &answer);
    executor.run(write.identity(&body), action, render).await
}
