use axum::{Json, extract::State};
use depot_saga::overview::{SagaFilter, SagaRow, find, page};
use depot_service::{
    params::{PathParams, QueryParams},
    problem::Problem,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::cursor;
use crate::{
    commands::{Audited, CommandError, Refusal, ResumeSaga},
    http::{
        answer::Answer,
        error,
        executor::Executor,
        router::Database,
        write_request::{AdminWrite, RawBody},
    },
    saga::{SAGAS, UPLOAD_SAGA},
    store::{
        StoreError,
        sagas::{self, Subject},
    },
};

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SagaStateName {
    Running,
    Compensating,
    Completed,
    Compensated,
    Stuck,
}

/// What is listed, and how much at a time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SagaQuery {
    /// The saga's name: `upload` or `item_deletion`.
    saga: Option<String>,
    /// `running`, `compensating`, `completed`, `compensated` or `stuck`.
    state: Option<SagaStateName>,
    /// The step at which it stands.
    step: Option<String>,
    /// 1 to 200, 50 if left out.
    limit: Option<i64>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
}

/// A saga as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SagaBody {
    pub saga: String,
    /// Of the upload, or of the item, that it is about.
    pub id: Uuid,
    pub state: String,
    pub step: String,
    /// When it does something by itself; none once it has ended, or is stuck.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deadline: Option<OffsetDateTime>,
    /// How often this step has asked again.
    pub attempts: i32,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A page, by name and id.
#[derive(Debug, Serialize, ToSchema)]
pub struct SagasBody {
    pub sagas: Vec<SagaBody>,
    /// For the next page; none on the last.
    pub next_cursor: Option<String>,
}

/// The upload or the item that a saga is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct SagaSubjectBody {
    /// `upload` or `item`.
    pub kind: &'static str,
    pub owner: String,
    pub item_id: Uuid,
    pub status: String,
    pub version: i64,
}

/// A saga with what it waits for and what it is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeSagaBody {
    #[serde(flatten)]
    pub saga: SagaBody,
    /// What its step means; none if this version declares no such step.
    pub meaning: Option<&'static str>,
    pub subject: Option<SagaSubjectBody>,
}

/// What was resumed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResumedSagaBody {
    pub saga: String,
    pub id: Uuid,
}

#[derive(Debug, Deserialize)]
pub struct SagaPath {
    saga: String,
    id: Uuid,
}

impl From<SagaRow> for SagaBody {
    fn from(row: SagaRow) -> Self {
        Self {
            saga: row.saga,
            id: row.saga_id,
            state: row.state,
            step: row.step,
            deadline: row.deadline,
            attempts: row.attempts,
            started_at: row.started_at,
            updated_at: row.updated_at,
        }
    }
}

impl SagaStateName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }
}

/// Sagas, by name and id.
#[utoipa::path(
    get, path = "/api/v1/admin/sagas", tag = "admin", params(SagaQuery),
    responses(
        (status = 200, description = "A page", body = SagasBody),
        (status = 400, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn list(
    State(database): State<Database>,
    QueryParams(query): QueryParams<SagaQuery>,
) -> Result<Json<SagasBody>, Problem> {
    let limit = cursor::page_size(query.limit)?;
    let filter = SagaFilter {
        saga: query.saga,
        state: query.state.map(|state| state.as_str().to_owned()),
        step: query.step,
    };
    check(&filter)?;
    let after = query
        .cursor
        .map(|text| cursor::parse(&text, &filter))
        .transpose()?;
    let read = async {
        let mut conn = database.0.acquire().await?;
        page(&mut conn, &filter, after.as_ref(), limit + 1).await
    };
    let mut rows = read
        .await
        .map_err(StoreError::doing("list sagas"))
        .map_err(fault)?;
    let has_more = rows.len() as i64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|last| cursor::of((&last.saga, last.saga_id), &filter));
    Ok(Json(SagasBody {
        sagas: rows.into_iter().map(SagaBody::from).collect(),
        next_cursor,
    }))
}

/// One saga: where it stands, until when, what it is about.
#[utoipa::path(
    get, path = "/api/v1/admin/sagas/{saga}/{id}", tag = "admin",
    params(("saga" = String, Path), ("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The saga", body = WholeSagaBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(
    State(database): State<Database>,
    PathParams(SagaPath { saga, id }): PathParams<SagaPath>,
) -> Result<Json<WholeSagaBody>, Problem> {
    let about_upload = saga == UPLOAD_SAGA.name;
    let read = async {
        let doing = || StoreError::doing("read a saga");
        let mut conn = database.0.acquire().await.map_err(doing())?;
        let row = find(&mut conn, &saga, id).await.map_err(doing())?;
        let subject = if about_upload {
            sagas::upload(&mut conn, id).await?
        } else {
            sagas::item(&mut conn, id).await?
        };
        Ok((row, subject))
    };
    let (row, subject) = read.await.map_err(fault)?;
    let row = row.ok_or_else(|| {
        let (saga, saga_id) = (saga.clone(), id);
        error::refusal(&Refusal::SagaNotFound { saga, saga_id })
    })?;
    let declared = SAGAS.iter().find(|declared| declared.name == saga);
    let step = declared.and_then(|declared| declared.step(&row.step).ok());
    let kind = if about_upload { "upload" } else { "item" };
    let subject = subject.map(|subject: Subject| SagaSubjectBody {
        kind,
        owner: subject.owner,
        item_id: subject.item_id,
        status: subject.status,
        version: subject.version,
    });
    Ok(Json(WholeSagaBody {
        saga: row.into(),
        meaning: step.map(|step| step.what),
        subject,
    }))
}

/// Sets a stuck saga going: it asks again at once, and counts its attempts anew.
#[utoipa::path(
    post, path = "/api/v1/admin/sagas/{saga}/{id}/resume", tag = "admin",
    params(
        ("saga" = String, Path), ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 202, description = "It goes on", body = ResumedSagaBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not stuck", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn resume(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    PathParams(SagaPath { saga, id }): PathParams<SagaPath>,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let answer = ResumedSagaBody {
        saga: saga.clone(),
        id,
    };
    let action = ResumeSaga { saga, saga_id: id };
    let action = Audited::new(write.actor.clone(), action);
    let render = move |()| Answer::json(StatusCode::ACCEPTED, &answer);
    executor.run(write.identity(&body), action, render).await
}

/// A saga or step that is declared nowhere is a slip of the pen, and no empty list.
fn check(filter: &SagaFilter) -> Result<(), Problem> {
    if let Some(saga) = &filter.saga
        && !SAGAS.iter().any(|declared| declared.name == saga)
    {
        let known: Vec<_> = SAGAS.iter().map(|declared| declared.name).collect();
        let detail = format!("is `{saga}`, which is none of {}", known.join(", "));
        return Err(Problem::invalid_parameter("saga", detail));
    }
    if let Some(step) = &filter.step
        && !SAGAS.iter().any(|declared| declared.step(step).is_ok())
    {
        return Err(Problem::invalid_parameter(
            "step",
            format!("is `{step}`, a step of no saga"),
        ));
    }
    Ok(())
}

fn fault(error: StoreError) -> Problem {
    error::problem(&CommandError::from(error))
}
