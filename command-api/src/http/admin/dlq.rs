use axum::{Json, extract::State};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use depot_service::{
    json::JsonWithBytes,
    params::{PathParams, QueryParams},
    problem::Problem,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::dlq_cursor as cursor;
use crate::{
    commands::{Audited, CommandError, DiscardDeadLetters, RedriveDeadLetters},
    http::{
        answer::Answer,
        error,
        executor::Executor,
        problems,
        router::{Database, DeadLetterDesk},
        write_request::{AdminWrite, RawBody},
    },
    store::{
        StoreError,
        dead_letters::{self, DeadLetter, DeadLetterId, Filter},
    },
};

const MAX_PAGE: i64 = 200;
const MAX_RATE: i32 = 1_000;

/// Which dead letters are meant. What is left out restricts nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LetterFilter {
    /// The group that failed.
    pub group: Option<String>,
    /// The topic that the message was read from first.
    pub topic: Option<String>,
    /// The class of the reason, for example `invalid_data`.
    pub reason: Option<String>,
    /// The message's key, as text.
    pub key: Option<String>,
    /// Last failed at this moment or later.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub failed_from: Option<OffsetDateTime>,
    /// Last failed before this moment.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub failed_before: Option<OffsetDateTime>,
}

/// What is listed, and how much at a time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LetterQuery {
    /// The group that failed.
    group: Option<String>,
    /// The topic that the message was read from first.
    topic: Option<String>,
    /// The class of the reason.
    reason: Option<String>,
    /// The message's key, as text.
    key: Option<String>,
    /// Last failed at this moment or later, RFC 3339.
    #[serde(default, with = "time::serde::rfc3339::option")]
    failed_from: Option<OffsetDateTime>,
    /// Last failed before this moment, RFC 3339.
    #[serde(default, with = "time::serde::rfc3339::option")]
    failed_before: Option<OffsetDateTime>,
    /// `open`, `redriving`, `redriven` or `discarded`.
    state: Option<LetterState>,
    /// 1 to 200, 50 if left out.
    limit: Option<i64>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LetterState {
    Open,
    Redriving,
    Redriven,
    Discarded,
}

impl LetterState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriving => "redriving",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}

/// A dead letter, as far as it is indexed.
#[derive(Debug, Serialize, ToSchema)]
pub struct LetterBody {
    pub group: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// None where the message had none, or it is no text.
    pub key: Option<String>,
    pub reason: String,
    pub detail: String,
    /// How often it was given up.
    pub attempts: i32,
    #[serde(with = "time::serde::rfc3339")]
    pub first_failed_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub failed_at: OffsetDateTime,
    pub state: String,
    /// Where the letter lies.
    pub dlq_topic: String,
    pub dlq_partition: i32,
    pub dlq_offset: i64,
}

/// A page, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LettersBody {
    pub letters: Vec<LetterBody>,
    /// For the next page; none on the last.
    pub next_cursor: Option<String>,
}

/// A header of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeaderBody {
    pub name: String,
    /// None where it is no text.
    pub text: Option<String>,
    pub base64: Option<String>,
}

/// A dead letter with all that it carries.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeLetterBody {
    #[serde(flatten)]
    pub letter: LetterBody,
    pub headers: Vec<HeaderBody>,
    pub key_base64: Option<String>,
    pub value_base64: Option<String>,
    /// The value where it is UTF-8.
    pub value_text: Option<String>,
}

/// What is to be redriven.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveBody {
    #[serde(default)]
    pub filter: LetterFilter,
    /// Only counts what it would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Letters a second, 1 to 1,000; 50 if left out.
    pub rate: Option<i32>,
}

/// What is to be discarded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscardBody {
    #[serde(default)]
    pub filter: LetterFilter,
    /// Only counts what it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// How many open letters it was, or with `dry_run` would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountBody {
    pub count: i64,
    pub dry_run: bool,
}

/// The four parts of a letter's name.
#[derive(Debug, Deserialize)]
pub struct LetterPath {
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
}

impl From<LetterPath> for DeadLetterId {
    fn from(path: LetterPath) -> Self {
        Self {
            group: path.group,
            topic: path.topic,
            partition: path.partition,
            offset: path.offset,
        }
    }
}

impl From<LetterFilter> for Filter {
    fn from(filter: LetterFilter) -> Self {
        Self {
            group: filter.group,
            topic: filter.topic,
            reason: filter.reason,
            key: filter.key.map(String::into_bytes),
            failed_from: filter.failed_from,
            failed_before: filter.failed_before,
            ..Self::default()
        }
    }
}

impl From<DeadLetter> for LetterBody {
    fn from(letter: DeadLetter) -> Self {
        Self {
            group: letter.consumer_group,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            key: letter.key.and_then(|key| String::from_utf8(key).ok()),
            reason: letter.reason,
            detail: letter.detail,
            attempts: letter.attempts,
            first_failed_at: letter.first_failed_at,
            failed_at: letter.failed_at,
            state: letter.state,
            dlq_topic: letter.dlq_topic,
            dlq_partition: letter.dlq_partition,
            dlq_offset: letter.dlq_offset,
        }
    }
}

/// Dead letters of all groups, the one that failed longest ago first.
#[utoipa::path(
    get, path = "/api/v1/admin/dlq", tag = "admin", params(LetterQuery),
    responses(
        (status = 200, description = "A page", body = LettersBody),
        (status = 400, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn list(
    State(database): State<Database>,
    QueryParams(query): QueryParams<LetterQuery>,
) -> Result<Json<LettersBody>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=MAX_PAGE).contains(&limit) {
        let detail = format!("is {limit}, 1 to {MAX_PAGE} is accepted");
        return Err(Problem::invalid_parameter("limit", detail));
    }
    let filter = Filter {
        state: query.state.map(|state| state.as_str().to_owned()),
        ..LetterFilter {
            group: query.group,
            topic: query.topic,
            reason: query.reason,
            key: query.key,
            failed_from: query.failed_from,
            failed_before: query.failed_before,
        }
        .into()
    };
    let after = query
        .cursor
        .map(|text| cursor::parse(&text, &filter))
        .transpose()?;
    let mut letters = page(&database, &filter, after, limit + 1).await?;
    let has_more = letters.len() as i64 > limit;
    letters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = letters
        .last()
        .filter(|_| has_more)
        .map(|last| cursor::of(last, &filter));
    Ok(Json(LettersBody {
        letters: letters.into_iter().map(LetterBody::from).collect(),
        next_cursor,
    }))
}

async fn page(
    database: &Database,
    filter: &Filter,
    after: Option<(OffsetDateTime, DeadLetterId)>,
    limit: i64,
) -> Result<Vec<DeadLetter>, Problem> {
    let read = async {
        let conn = database.0.acquire().await;
        let mut conn = conn.map_err(StoreError::doing("list dead letters"))?;
        dead_letters::page(&mut conn, filter, after, limit).await
    };
    read.await
        .map_err(|error| error::problem(&CommandError::from(error)))
}

/// One dead letter, with its headers and bytes as they lie in Kafka.
#[utoipa::path(
    get, path = "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}", tag = "admin",
    params(("group" = String, Path), ("topic" = String, Path), ("partition" = i32, Path), ("offset" = i64, Path)),
    responses(
        (status = 200, description = "The letter", body = WholeLetterBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Kafka does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn show(
    State(database): State<Database>,
    State(desk): State<DeadLetterDesk>,
    PathParams(path): PathParams<LetterPath>,
) -> Result<Json<WholeLetterBody>, Problem> {
    let filter = Filter::from(DeadLetterId::from(path));
    let found = page(&database, &filter, None, 1).await?.into_iter().next();
    let letter = found.ok_or_else(|| error::refusal(&crate::commands::Refusal::NoDeadLetter))?;
    let stored = desk
        .log
        .read(&letter.dlq_topic, letter.dlq_partition, letter.dlq_offset)
        .await
        .map_err(|error| match &error {
            crate::dead_letters::LogError::Gone { .. } => {
                Problem::of(&problems::DEAD_LETTER_NOT_FOUND).with_detail(error.to_string())
            }
            _ => Problem::unavailable("Kafka", &error),
        })?;
    let header = |(name, value): (String, Option<Vec<u8>>)| HeaderBody {
        name,
        base64: value.as_ref().map(|value| STANDARD.encode(value)),
        text: value.and_then(|value| String::from_utf8(value).ok()),
    };
    Ok(Json(WholeLetterBody {
        letter: letter.into(),
        headers: stored.headers.into_iter().map(header).collect(),
        key_base64: stored.key.map(|key| STANDARD.encode(key)),
        value_base64: stored.payload.as_ref().map(|value| STANDARD.encode(value)),
        value_text: stored.payload.and_then(|value| String::from_utf8(value).ok()),
    }))
}

/// Brings open letters back to the retry topic of their group, oldest first. Letters of groups without one are left.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/redrive", tag = "admin", request_body = RedriveBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses(
        (status = 202, description = "They will be sent", body = CountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is invalid", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn redrive(
    State(executor): State<Executor>,
    State(desk): State<DeadLetterDesk>,
    AdminWrite(write): AdminWrite,
    body: JsonWithBytes<RedriveBody>,
) -> Result<Answer, Problem> {
    let rate = body.value.rate.unwrap_or(50);
    if !(1..=MAX_RATE).contains(&rate) {
        let detail = format!("is {rate}, 1 to {MAX_RATE} is accepted");
        let fault = depot_service::problem::FieldFault::new("/rate", detail);
        return Err(Problem::validation_failed([fault]));
    }
    let dry_run = body.value.dry_run;
    let action = RedriveDeadLetters {
        subject: subject_of(&body.value.filter),
        filter: body.value.filter.into(),
        sources: desk.sources(),
        rate,
        dry_run,
        is_one: false,
    };
    let action = Audited::new(write.actor.clone(), action);
    executor
        .run(write.identity(&body.bytes), action, counted(dry_run))
        .await
}

/// Gives open letters up; they stay in their topics.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/discard", tag = "admin", request_body = DiscardBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses(
        (status = 202, description = "They are discarded", body = CountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn discard(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    body: JsonWithBytes<DiscardBody>,
) -> Result<Answer, Problem> {
    let dry_run = body.value.dry_run;
    let action = DiscardDeadLetters {
        subject: subject_of(&body.value.filter),
        filter: body.value.filter.into(),
        dry_run,
        is_one: false,
    };
    let action = Audited::new(write.actor.clone(), action);
    executor
        .run(write.identity(&body.bytes), action, counted(dry_run))
        .await
}

/// Brings one open letter back to the retry topic of its group.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/redrive", tag = "admin",
    params(("group" = String, Path), ("topic" = String, Path), ("partition" = i32, Path), ("offset" = i64, Path)),
    responses(
        (status = 202, description = "It will be sent", body = CountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not open, or its group has no retry topic", body = Problem,
         content_type = "application/problem+json"),
    ),
)]
pub async fn redrive_one(
    State(executor): State<Executor>,
    State(desk): State<DeadLetterDesk>,
    AdminWrite(write): AdminWrite,
    PathParams(path): PathParams<LetterPath>,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let id = DeadLetterId::from(path);
    let action = RedriveDeadLetters {
        subject: name_of(&id),
        filter: id.into(),
        sources: desk.sources(),
        rate: 1,
        dry_run: false,
        is_one: true,
    };
    let action = Audited::new(write.actor.clone(), action);
    executor.run(write.identity(&body), action, counted(false)).await
}

/// Gives one open letter up; it stays in its topic.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/discard", tag = "admin",
    params(("group" = String, Path), ("topic" = String, Path), ("partition" = i32, Path), ("offset" = i64, Path)),
    responses(
        (status = 202, description = "It is discarded", body = CountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not open", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn discard_one(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    PathParams(path): PathParams<LetterPath>,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let id = DeadLetterId::from(path);
    let action = DiscardDeadLetters {
        subject: name_of(&id),
        filter: id.into(),
        dry_run: false,
        is_one: true,
    };
    let action = Audited::new(write.actor.clone(), action);
    executor.run(write.identity(&body), action, counted(false)).await
}

fn counted(dry_run: bool) -> impl Fn(i64) -> Answer + Send + Sync + 'static {
    move |count| Answer::json(StatusCode::ACCEPTED, &CountBody { count, dry_run })
}

fn name_of(id: &DeadLetterId) -> String {
    format!("{}/{}/{}/{}", id.group, id.topic, id.partition, id.offset)
}

/// The filter, as it was meant.
fn subject_of(filter: &LetterFilter) -> String {
    serde_json::to_string(filter).unwrap_or_default()
}

/// Bytes as they stand in a cursor.
pub(super) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
