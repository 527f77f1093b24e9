//! `/admin`, on the admin port: what command-api and operators ask of the uploader. All of it needs a token with the
//! role `admin`; the probes and metrics beside it need none.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{FromRef, State},
    middleware::from_fn_with_state,
    routing::{any, get, post},
};
use depot_schemas::sweep::{Forgotten, ReceiptPage, SweepReport};
use depot_service::{
    auth::{Door, require_admin},
    params::{PathParams, QueryParams},
    problem::Problem,
};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    files::Files,
    forget::forget,
    receipts,
    sweep::{SweepError, SweepOptions, sweep},
};

const MAX_PAGE: i64 = 1_000;
/// Sweeps that are asked for and run at once.
const AT_ONCE: usize = 2;
const MAX_GRACE_SECONDS: u64 = 604_800;

/// What the routes need.
#[derive(Clone, FromRef)]
pub(crate) struct AdminDesk {
    door: Arc<Door>,
    work: Arc<Work>,
}

struct Work {
    /// Set when the store was probed.
    files: Arc<OnceLock<Files>>,
    grace: Duration,
    sweeps: Semaphore,
    stop: CancellationToken,
}

impl AdminDesk {
    /// `stop` ends sweeps that are under way, so that the process can.
    pub fn new(
        door: Arc<Door>,
        files: Arc<OnceLock<Files>>,
        grace: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self {
            door,
            work: Arc::new(Work {
                files,
                grace,
                sweeps: Semaphore::new(AT_ONCE),
                stop,
            }),
        }
    }
}

impl Work {
    fn files(&self) -> Result<&Files, Problem> {
        self.files
            .get()
            .ok_or_else(|| Problem::unavailable("The object store", &NotProbed))
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.sweeps.try_acquire().map_err(|_| Problem::overloaded())
    }

    async fn to_its_end<T>(&self, work: impl Future<Output = Result<T, SweepError>>) -> Result<T, Problem> {
        match self.stop.run_until_cancelled(Box::pin(work)).await {
            Some(done) => done.map_err(|error| problem(&error)),
            None => Err(Problem::unavailable("The uploader", &Stopping)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the object store has not answered since the start")]
struct NotProbed;

#[derive(Debug, thiserror::Error)]
#[error("the process is stopping")]
struct Stopping;

/// The routes, and the door before them: also a path that is not there is told only to an admin.
pub(crate) fn routes(desk: AdminDesk) -> Router {
    Router::new()
        .route("/admin/sweep", post(run_sweep))
        .route("/admin/receipts", get(read_receipts))
        .route("/admin/uploads/{id}/forget", post(forget_upload))
        .route("/admin/{*rest}", any(nothing_here))
        .layer(from_fn_with_state(Arc::clone(&desk.door), require_admin))
        .with_state(desk)
}

async fn nothing_here() -> Problem {
    Problem::not_found("No route has this path.")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepQuery {
    dry_run: bool,
    /// Instead of the setting.
    grace_seconds: Option<u64>,
}

/// Sweeps now; `dry_run` has to be said, so that nobody mends by forgetting it.
async fn run_sweep(
    State(work): State<Arc<Work>>,
    QueryParams(query): QueryParams<SweepQuery>,
) -> Result<Json<SweepReport>, Problem> {
    let grace = match query.grace_seconds {
        Some(seconds) if seconds > MAX_GRACE_SECONDS => {
            let detail = format!("is {seconds}, at most {MAX_GRACE_SECONDS} is accepted");
            return Err(Problem::invalid_parameter("grace_seconds", detail));
        }
        Some(seconds) => Duration::from_secs(seconds),
        None => work.grace,
    };
    let _place = work.place()?;
    let options = SweepOptions {
        grace,
        dry_run: query.dry_run,
    };
    let report = work.to_its_end(sweep(work.files()?, options)).await?;
    Ok(Json(report))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptQuery {
    /// Receipts of uploads after this id.
    after: Option<Uuid>,
    /// And up to this one.
    until: Option<Uuid>,
    /// 1 to 1,000, which it is if left out.
    limit: Option<i64>,
}

async fn read_receipts(
    State(work): State<Arc<Work>>,
    QueryParams(query): QueryParams<ReceiptQuery>,
) -> Result<Json<ReceiptPage>, Problem> {
    let limit = query.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        let detail = format!("is {limit}, 1 to {MAX_PAGE} is accepted");
        return Err(Problem::invalid_parameter("limit", detail));
    }
    let read = async {
        let mut connection = work
            .files()?
            .pool
            .acquire()
            .await
            .map_err(SweepError::from)
            .map_err(|error| problem(&error))?;
        let after = query.after.unwrap_or_default();
        receipts::page(&mut connection, after, query.until, limit)
            .await
            .map_err(|error| problem(&error.into()))
    };
    let receipts = read.await?;
    let is_full = receipts.len() as i64 == limit;
    let next = receipts.last().filter(|_| is_full).map(|last| last.upload_id);
    Ok(Json(ReceiptPage { receipts, next }))
}

async fn forget_upload(
    State(work): State<Arc<Work>>,
    PathParams(upload): PathParams<Uuid>,
) -> Result<Json<Forgotten>, Problem> {
    let had_file = work.to_its_end(forget(work.files()?, upload)).await?;
    tracing::warn!(upload.id = %upload, had_file, "an upload that nobody knows was forgotten");
    Ok(Json(Forgotten { had_file }))
}

fn problem(error: &SweepError) -> Problem {
    match error {
        SweepError::Store(cause) if cause.is_transient() => Problem::unavailable("The object store", error),
        SweepError::Database(
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_),
        ) => Problem::unavailable("The database", error),
        SweepError::Store(_) | SweepError::Database(_) => Problem::internal(error),
    }
}
