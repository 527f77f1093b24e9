use axum::{Json, extract::State};
use depot_service::{params::PathParams, problem::Problem};

use super::{LetterPath, letter::WholeLetterBody, page};
use crate::{
    commands::Refusal,
    dead_letters::LogError,
    http::{
        error, problems,
        router::{Database, DeadLetterDesk},
    },
    store::dead_letters::{DeadLetterId, Filter},
};

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
    let letter = found.ok_or_else(|| error::refusal(&Refusal::NoDeadLetter))?;
    let stored = desk
        .log
        .read(&letter.dlq_topic, letter.dlq_partition, letter.dlq_offset)
        .await
        .map_err(|error| match &error {
            LogError::Gone { .. } => {
                Problem::of(&problems::DEAD_LETTER_NOT_FOUND).with_detail(error.to_string())
            }
            _ => Problem::unavailable("Kafka", &error),
        })?;
    Ok(Json(WholeLetterBody::new(letter, stored)))
}
