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
    commands::{Audited, RedriveDeadLetters},
    http::{
        answer::Answer,
        executor::Executor,
        router::DeadLetterDesk,
        write_request::{AdminWrite, RawBody},
    },
    store::dead_letters::DeadLetterId,
};

const MAX_RATE: i32 = 1_000;

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
        return Err(Problem::validation_failed([FieldFault::new("/rate", detail)]));
    }
    let dry_run = body.value.dry_run;
    let action = RedriveDeadLetters {
        subject: body.value.filter.subject(),
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

/// Brings one open letter back to the retry topic of its group.
#[utoipa::path(
    post, path = "/api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/redrive", tag = "admin",
    params(("group" = String, Path), ("topic" = String, Path), ("partition" = i32, Path), ("offset" = i64, Path),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe")),
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
