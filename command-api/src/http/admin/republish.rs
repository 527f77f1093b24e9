use axum::{Json, extract::State};
use depot_service::problem::Problem;
use http::StatusCode;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    commands::{Audited, BeginRepublish, CommandError},
    http::{
        answer::Answer,
        error,
        executor::Executor,
        router::Database,
        write_request::{AdminWrite, RawBody},
    },
    store::{
        StoreError,
        republish::{self, RunStatus},
    },
};

/// The run that tells the state once more: the one that is under way, or the last one.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepublishBody {
    /// None before the first one.
    pub run_id: Option<Uuid>,
    /// `asked`, `log_lost` or `restored`.
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub requested_at: Option<OffsetDateTime>,
    /// What is being told: `items`, `uploads`, `lost` (what the log has and the state has not, after the database was set
    /// back) or `done`.
    pub stage: String,
    /// Items told so far.
    pub items: i64,
    /// Uploads told so far.
    pub uploads: i64,
    /// Items and uploads of a history that is over, told to be gone so far.
    pub lost: i64,
    /// About how many items there are, by the database's statistics.
    pub items_estimated: i64,
    pub uploads_estimated: i64,
    /// The restore epoch, which is part of each snapshot.
    pub epoch: i32,
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

impl From<RunStatus> for RepublishBody {
    fn from(status: RunStatus) -> Self {
        Self {
            run_id: status.run_id,
            reason: status.reason,
            requested_by: status.requested_by,
            requested_at: status.requested_at,
            stage: status.stage,
            items: status.items,
            uploads: status.uploads,
            lost: status.lost,
            items_estimated: status.items_estimated,
            uploads_estimated: status.uploads_estimated,
            epoch: status.epoch,
            finished_at: status.finished_at,
        }
    }
}

/// How far the state has been told to the log once more.
#[utoipa::path(
    get, path = "/api/v1/admin/republish", tag = "admin",
    responses(
        (status = 200, description = "The run that is under way, or the last one", body = RepublishBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn read(State(database): State<Database>) -> Result<Json<RepublishBody>, Problem> {
    let read = async {
        let acquired = database.0.acquire().await;
        let mut conn = acquired.map_err(StoreError::doing("read how far a republish has come"))?;
        republish::status(&mut conn).await
    };
    let status = read
        .await
        .map_err(|error| error::problem(&CommandError::from(error)))?;
    Ok(Json(RepublishBody::from(status)))
}

/// Has the state of every item and upload told to the log once more, as snapshots. Views that are right do not change by it.
///
/// It goes on by itself, beside commands, and waits where Kafka does not keep up. While a run is under way no other begins: the
/// answer is then that one.
#[utoipa::path(
    post, path = "/api/v1/admin/republish", tag = "admin",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses(
        (status = 202, description = "The run that is under way now", body = RepublishBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn begin(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let requested_by = write.actor.subject.as_str().to_owned();
    let action = Audited::new(write.actor.clone(), BeginRepublish { requested_by });
    let render = |status: RunStatus| Answer::json(StatusCode::ACCEPTED, &RepublishBody::from(status));
    executor.run(write.identity(&body), action, render).await
}
