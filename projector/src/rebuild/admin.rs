//! `/admin/projections`, on the admin port: what an operator asks of the versions of the views, by `depot projection`. All of it
//! needs a token with the role `admin`; the probes and metrics beside it need none.

use depot_service::database::Pool;
use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{any, delete, get, post},
};
use depot_schemas::projections::{Comparison, Dropped, ProjectionList, Registered, Switched};
use depot_service::{
    auth::{Door, Principal, require_admin},
    params::{PathParams, QueryParams},
    problem::{Problem, ProblemType},
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Overview, ProjectionError, SwitchRequest, compare, drop_rows, register, roll_back, switch};

/// How long one call removes rows.
const DROP_BUDGET: Duration = Duration::from_secs(2);
/// The version that serves may stand still for so long: less than a read waits for a version where nothing is said.
const STAND_STILL_MS: u64 = 500;
const MAX_STAND_STILL_MS: u64 = 5_000;

const STATE: ProblemType = ProblemType {
    name: "projection-state",
    status: 409,
    title: "The versions of the views are not so that this can be done",
    description: "`detail` says which state is in the way, and what to do.",
};

const BEHIND: ProblemType = ProblemType {
    name: "projection-behind",
    status: 409,
    title: "A version of the views is not as far as this needs it",
    description: "`detail` says where it stands. It may be as far a moment later: repeat.",
};

/// What the routes need.
#[derive(Clone, FromRef)]
pub(crate) struct ProjectionDesk {
    door: Arc<Door>,
    work: Arc<Work>,
}

struct Work {
    pool: Pool,
    overview: Overview,
    /// A comparison reads every row of both: one at a time.
    comparisons: Semaphore,
    stop: CancellationToken,
}

impl ProjectionDesk {
    /// `stop` ends what is under way, so that the process can.
    pub(crate) fn new(door: Arc<Door>, pool: Pool, overview: Overview, stop: CancellationToken) -> Self {
        Self {
            door,
            work: Arc::new(Work {
                pool,
                overview,
                comparisons: Semaphore::new(1),
                stop,
            }),
        }
    }
}

impl Work {
    async fn to_its_end<T>(
        &self,
        work: impl Future<Output = Result<T, ProjectionError>>,
    ) -> Result<Json<T>, Problem> {
        match self.stop.run_until_cancelled(Box::pin(work)).await {
            Some(done) => done.map(Json).map_err(|error| problem(&error)),
            None => Err(Problem::unavailable("The projector", &Stopping)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the process is stopping")]
struct Stopping;

/// The routes, and the door before them: also a path that is not there is told only to an admin.
pub(crate) fn routes(desk: ProjectionDesk) -> Router {
    Router::new()
        .route("/admin/projections", get(read_all).post(rebuild))
        .route("/admin/projections/rollback", post(go_back))
        .route("/admin/projections/{projection}", delete(remove))
        .route("/admin/projections/{projection}/compare", post(compare_one))
        .route("/admin/projections/{projection}/switch", post(switch_to))
        .route("/admin/{*rest}", any(nothing_here))
        .layer(from_fn_with_state(Arc::clone(&desk.door), require_admin))
        .with_state(desk)
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Whether to count the rows of each view, which reads them all.
    #[serde(default)]
    rows: bool,
}

async fn read_all(
    State(work): State<Arc<Work>>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<ProjectionList>, Problem> {
    work.to_its_end(work.overview.read(query.rows)).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RebuildQuery {
    #[serde(default)]
    skip_poison: bool,
}

async fn rebuild(
    State(work): State<Arc<Work>>,
    principal: Principal,
    QueryParams(query): QueryParams<RebuildQuery>,
) -> Result<(StatusCode, Json<Registered>), Problem> {
    let registering = register(&work.pool, &principal.subject, query.skip_poison);
    let registered = work.to_its_end(registering).await?;
    let status = match registered.is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, registered))
}

async fn compare_one(
    State(work): State<Arc<Work>>,
    principal: Principal,
    PathParams(projection): PathParams<i32>,
) -> Result<Json<Comparison>, Problem> {
    let _place = work
        .comparisons
        .try_acquire()
        .map_err(|_| Problem::overloaded())?;
    work.to_its_end(compare(&work.pool, projection, &principal.subject))
        .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchQuery {
    #[serde(default)]
    accept_differences: bool,
    /// Instead of half a second.
    stand_still_ms: Option<u64>,
}

async fn switch_to(
    State(work): State<Arc<Work>>,
    principal: Principal,
    PathParams(projection): PathParams<i32>,
    QueryParams(query): QueryParams<SwitchQuery>,
) -> Result<Json<Switched>, Problem> {
    let request = SwitchRequest {
        to: projection,
        actor: &principal.subject,
        accept_differences: query.accept_differences,
        stand_still: stand_still(query.stand_still_ms)?,
    };
    work.to_its_end(switch(&work.pool, request)).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackQuery {
    stand_still_ms: Option<u64>,
}

async fn go_back(
    State(work): State<Arc<Work>>,
    principal: Principal,
    QueryParams(query): QueryParams<RollbackQuery>,
) -> Result<Json<Switched>, Problem> {
    let stand_still = stand_still(query.stand_still_ms)?;
    work.to_its_end(roll_back(&work.pool, &principal.subject, stand_still))
        .await
}

/// Removes for a while, and says whether anything is left.
async fn remove(
    State(work): State<Arc<Work>>,
    principal: Principal,
    PathParams(projection): PathParams<i32>,
) -> Result<Json<Dropped>, Problem> {
    let removing = drop_rows(&work.pool, projection, &principal.subject, DROP_BUDGET);
    work.to_its_end(removing).await
}

fn stand_still(millis: Option<u64>) -> Result<Duration, Problem> {
    let millis = millis.unwrap_or(STAND_STILL_MS);
    if millis > MAX_STAND_STILL_MS {
        let detail = format!("is {millis}, at most {MAX_STAND_STILL_MS} is accepted");
        return Err(Problem::invalid_parameter("stand_still_ms", detail));
    }
    Ok(Duration::from_millis(millis))
}

fn problem(error: &ProjectionError) -> Problem {
    match error {
        ProjectionError::Unknown(_) => Problem::not_found(error.to_string()),
        ProjectionError::NotSo(_) => Problem::of(&STATE).with_detail(error.to_string()),
        ProjectionError::Behind { .. } | ProjectionError::NotMet { .. } => {
            Problem::of(&BEHIND).with_detail(error.to_string())
        }
        ProjectionError::LogEnds(_) => Problem::unavailable("Kafka", error),
        ProjectionError::Database { source, .. } if depot_service::database::is_away(source) => {
            Problem::unavailable("The database", error)
        }
        ProjectionError::Database { .. } => Problem::internal(error),
    }
}
