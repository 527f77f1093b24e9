//! The routes of profiling.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;

use super::{CpuProfile, HeapProfileError, ProfileError, TaskList, heap_profile};
use crate::params::QueryParams;
use crate::problem::Problem;
use crate::shutdown::Shutdown;

/// As `go tool pprof` takes one that asks for no time.
const DEFAULT_SECONDS: u64 = 30;
const MOST_SECONDS: u64 = 300;
/// Not a divisor of what anything else is timed by.
const DEFAULT_HERTZ: u32 = 99;
const MOST_HERTZ: u32 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileParams {
    seconds: Option<u64>,
    hz: Option<u32>,
}

/// `GET /debug/pprof/profile`, `GET /debug/pprof/flamegraph`, `GET /debug/pprof/heap`, `GET /debug/tasks`.
pub fn routes(shutdown: &Shutdown) -> Router {
    Router::new()
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/flamegraph", get(flamegraph))
        .route("/debug/pprof/heap", get(heap))
        .route("/debug/tasks", get(tasks))
        .with_state(shutdown.clone())
}

async fn profile(
    State(shutdown): State<Shutdown>,
    QueryParams(params): QueryParams<ProfileParams>,
) -> Result<Response, Problem> {
    let profile = take(&params, &shutdown).await?;
    let body = profile.to_pprof().map_err(|error| explain(&error))?;
    Ok(file(r#"attachment; filename="profile.pb""#, body))
}

async fn heap() -> Result<Response, Problem> {
    let body = heap_profile().await.map_err(|error| match error {
        HeapProfileError::NotSampled => Problem::not_found(error.to_string()),
        HeapProfileError::Dump { .. } | HeapProfileError::Naming(_) => Problem::internal(&error),
    })?;
    Ok(file(r#"attachment; filename="heap.pb.gz""#, body))
}

fn file(disposition: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
    ];
    (headers, body).into_response()
}

async fn flamegraph(
    State(shutdown): State<Shutdown>,
    QueryParams(params): QueryParams<ProfileParams>,
) -> Result<Response, Problem> {
    let profile = take(&params, &shutdown).await?;
    let body = profile.to_flamegraph().map_err(|error| explain(&error))?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], body).into_response())
}

/// A process that ends does not wait for a profile.
async fn take(params: &ProfileParams, shutdown: &Shutdown) -> Result<CpuProfile, Problem> {
    let seconds = within("seconds", params.seconds.unwrap_or(DEFAULT_SECONDS), MOST_SECONDS)?;
    let hertz = within("hz", params.hz.unwrap_or(DEFAULT_HERTZ), MOST_HERTZ)?;
    let taking = CpuProfile::take(Duration::from_secs(seconds), hertz);
    let taken = shutdown.last_token().run_until_cancelled_owned(taking).await;
    let ends = || Problem::overloaded().with_detail("The process ends.");
    taken.ok_or_else(ends)?.map_err(|error| explain(&error))
}

fn within<T: Copy + PartialOrd + From<u8> + std::fmt::Display>(
    name: &str,
    value: T,
    most: T,
) -> Result<T, Problem> {
    if value < T::from(1) || value > most {
        return Err(Problem::invalid_parameter(name, format!("from 1 to {most}")));
    }
    Ok(value)
}

fn explain(error: &ProfileError) -> Problem {
    match error {
        ProfileError::Taken => Problem::overloaded().with_detail(error.to_string()),
        ProfileError::Profiler(_) | ProfileError::Naming(_) => Problem::internal(error),
    }
}

async fn tasks(State(shutdown): State<Shutdown>) -> Json<TaskList> {
    let runtime = tokio::runtime::Handle::current().metrics();
    Json(TaskList {
        tasks: shutdown.tasks(),
        alive: runtime.num_alive_tasks(),
        queued: runtime.global_queue_depth(),
        workers: runtime.num_workers(),
    })
}
