use axum::extract::State;
use depot_service::{
    json::JsonWithBytes,
    params::PathParams,
    problem::{FieldFault, Problem},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{CountBody, LetterPath, counted, filter::LetterFilter, name_of};
use crate::{
    commands::{Audited, DiscardDeadLetters},
    http::{answer::Answer, executor::Executor, write_request::AdminWrite},
    store::dead_letters::DeadLetterId,
};

const MAX_NOTE_CHARS: usize = 500;

/// What is to be discarded, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscardBody {
    /// At least one member: nothing is discarded for being there.
    pub filter: LetterFilter,
    /// Why, in words, for the audit: 1 to 500 characters.
    pub note: String,
    /// Only counts what it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// Why one letter is discarded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscardOneBody {
    /// Why, in words, for the audit: 1 to 500 characters.
    pub note: String,
}

/// Gives open letters up; they stay in their topics.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/discard", tag = "admin", request_body = DiscardBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses(
        (status = 202, description = "They are discarded", body = CountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is invalid", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn discard(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    body: JsonWithBytes<DiscardBody>,
) -> Result<Answer, Problem> {
    let DiscardBody {
        filter,
        note,
        dry_run,
    } = body.value;
    let of_filter = filter
        .is_empty()
        .then(|| FieldFault::new("/filter", "has no member; name which letters are meant"));
    refuse(of_filter.into_iter().chain(fault_of_note(&note)))?;
    let action = DiscardDeadLetters {
        subject: filter.subject(),
        filter: filter.into(),
        note,
        dry_run,
        is_one: false,
    };
    let action = Audited::new(write.actor.clone(), action);
    executor
        .run(write.identity(&body.bytes), action, counted(dry_run))
        .await
}

/// Gives one open letter up; it stays in its topic.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/discard", tag = "admin",
    request_body = DiscardOneBody,
    params(("group" = String, Path), ("topic" = String, Path), ("partition" = i32, Path), ("offset" = i64, Path),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
    responses(
        (status = 202, description = "It is discarded", body = CountBody),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not open", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A value is invalid", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn discard_one(
    State(executor): State<Executor>,
    AdminWrite(write): AdminWrite,
    PathParams(path): PathParams<LetterPath>,
    body: JsonWithBytes<DiscardOneBody>,
) -> Result<Answer, Problem> {
    let note = body.value.note;
    refuse(fault_of_note(&note))?;
    let id = DeadLetterId::from(path);
    let action = DiscardDeadLetters {
        subject: name_of(&id),
        filter: id.into(),
        note,
        dry_run: false,
        is_one: true,
    };
    let action = Audited::new(write.actor.clone(), action);
    executor
        .run(write.identity(&body.bytes), action, counted(false))
        .await
}

/// What Postgres cannot keep, or nobody could read later.
fn fault_of_note(note: &str) -> Option<FieldFault> {
    let chars = note.chars().count();
    let detail = if note.trim().is_empty() {
        "says nothing; say why the letters are not needed".to_owned()
    } else if chars > MAX_NOTE_CHARS {
        format!("has {chars} characters, at most {MAX_NOTE_CHARS} are accepted")
    } else if note.chars().any(char::is_control) {
        "has control characters".to_owned()
    } else {
        return None;
    };
    Some(FieldFault::new("/note", detail))
}

fn refuse(faults: impl IntoIterator<Item = FieldFault>) -> Result<(), Problem> {
    let faults: Vec<_> = faults.into_iter().collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::validation_failed(faults))
}
