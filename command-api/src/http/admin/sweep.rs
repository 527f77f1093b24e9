use std::time::Duration;

use axum::{Json, extract::State};
use depot_domain::CommandId;
use depot_schemas::sweep::SweepReport;
use depot_service::{params::QueryParams, problem::Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    commands::{Audited, BeginSweep, CommandError, UseCase as _, Writer},
    http::{error, router::SweepDesk, write_request::AdminWrite},
    store::transaction::ROW_LOCK_TIMEOUT,
    sweep::{SweepError, SweepOptions, UploaderError},
};

const DEADLINE: Duration = Duration::from_secs(600);
const MAX_GRACE_SECONDS: u64 = 604_800;

/// How to sweep.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SweepQuery {
    /// True to change nothing. It has to be said, so that nobody mends by forgetting it.
    dry_run: bool,
    /// What is younger is left alone, instead of what the services are set to; at most 604800. With less than an event
    /// or a file may be on its way, what is under way is taken for damage.
    grace_seconds: Option<u64>,
    /// Delete what is kept for uploads that this service does not know. Left out, it is only told: after its database
    /// was set back, that may be all that is left of them.
    forget_unknown: Option<bool>,
}

/// Compares object store, receipts, sagas, items and accounts, and mends what does not add up.
///
/// It takes as long as there is to compare, and ends with the request; what was mended by then stays so. One at a time
/// in a process, others are answered 503. It may be repeated as it is, and needs no `Idempotency-Key`: it looks again.
#[utoipa::path(
    post, path = "/api/v1/admin/sweep", tag = "admin",
    params(SweepQuery),
    responses(
        (status = 200, description = "What was found, and which of it was mended", body = SweepReport),
        (status = 400, description = "A parameter is missing or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A sweep is under way, or the uploader, the object store or the database does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn run(
    State(desk): State<SweepDesk>,
    State(writer): State<Writer>,
    AdminWrite(write): AdminWrite,
    QueryParams(query): QueryParams<SweepQuery>,
) -> Result<Json<SweepReport>, Problem> {
    if let Some(seconds) = query.grace_seconds.filter(|seconds| *seconds > MAX_GRACE_SECONDS) {
        let detail = format!("is {seconds}, at most {MAX_GRACE_SECONDS} is accepted");
        return Err(Problem::invalid_parameter("grace_seconds", detail));
    }
    let forget_unknown = query.forget_unknown.unwrap_or(false);
    let begin = BeginSweep {
        dry_run: query.dry_run,
        forget_unknown,
    };
    let actor = write.actor.subject.as_str().to_owned();
    audit(&writer, Audited::new(write.actor, begin))
        .await
        .map_err(|error| error::problem(&error))?;
    let options = SweepOptions {
        dry_run: query.dry_run,
        grace: query.grace_seconds.map(Duration::from_secs),
        forget_unknown,
        actor,
    };
    let swept = tokio::time::timeout(DEADLINE, Box::pin(desk.sweeper.sweep_all(&options)));
    match desk.stop.run_until_cancelled(swept).await {
        Some(Ok(swept)) => swept.map(Json).map_err(|error| problem(&error)),
        Some(Err(_)) => Err(Problem::timeout()),
        None => Err(Problem::unavailable("This service", &Stopping)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the process is stopping, and the sweep that was asked for with it")]
struct Stopping;

async fn audit(writer: &Writer, begin: Audited<BeginSweep>) -> Result<(), CommandError> {
    let mut unit = writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await?;
    begin.execute(&mut unit).await?;
    unit.commit().await
}

fn problem(error: &SweepError) -> Problem {
    match error {
        SweepError::Database(command) => error::problem(command),
        SweepError::Uploader(UploaderError::Away { .. } | UploaderError::Unavailable { .. }) => {
            Problem::unavailable("The uploader", error)
        }
        SweepError::Staging(store) if store.is_transient() => Problem::unavailable("The object store", error),
        SweepError::Uploader(_) | SweepError::Staging(_) => Problem::internal(error),
    }
}
