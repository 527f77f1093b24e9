//! `POST /api/v1/items:batch`.

use std::time::Duration;

use axum::{Json, extract::State};
use depot_service::{
    json::{self, JsonWithBytes},
    problem::{FieldFault, Problem},
};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    AT_ONCE, Bulk,
    line::{Lines, Terms},
    outcome::OutcomeBody,
};
use crate::http::{items::NewItemBody, router::QueryAddress, write_request::WriteRequest};

/// The most creations of one batch.
pub const MAX_ITEMS: usize = 500;
/// How long lines are tried again that met what passes: shorter than a request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Items to be created, each for itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    #[schema(value_type = Vec<NewItemBody>, min_items = 1, max_items = 500)]
    items: Vec<Box<RawValue>>,
}

/// What became of each of them, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultsBody {
    results: Vec<OutcomeBody>,
    /// How many of them are there now.
    created: usize,
    /// How many are not.
    failed: usize,
}

/// Adds items, each for itself; the caller owns them.
///
/// Each has an outcome of its own, whatever becomes of the others, and a key of its own: the one that it names, or one that is
/// made of the request's key and its place. A repeat of the same document under the same key creates nothing twice: it is told
/// what became of each, and creates what was not.
#[utoipa::path(
    post, path = "/api/v1/items:batch", tag = "items",
    params(("Idempotency-Key" = String, Header, description = "New for each intent; makes a repeat safe")),
    request_body = BatchBody,
    responses(
        (status = 200, description = "What became of each; look at `status` of every result", body = ResultsBody),
        (status = 400, description = "No JSON, or no Idempotency-Key", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role writer is needed", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Of one item, in its result: the first request with its key is under way", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No list of 1 to 500 items. Of one item, in its result: invalid fields, or its key was used for another", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests; each item is one, and says so in its result", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A backing service is away, or too much is asked at once; also of one item, in its result", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn post(
    State(bulk): State<Bulk>,
    State(query): State<QueryAddress>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny>,
) -> Result<Json<ResultsBody>, Problem> {
    write.require_key()?;
    let BatchBody { items } = json::parse(&body.bytes)?;
    if !(1..=MAX_ITEMS).contains(&items.len()) {
        let detail = format!("has {} items; send 1 to {MAX_ITEMS}", items.len());
        return Err(Problem::validation_failed([FieldFault::new("/items", detail)]));
    }
    // A request that is under way when the process drains is brought to its end.
    let terms = Terms {
        until: Some(Instant::now() + PATIENCE),
        ..Terms::default()
    };
    let lines = Lines::new(bulk, query, write, terms);
    let outcomes = stream::iter((1..).zip(items)).map(|(number, item)| {
        let line = lines.read(number, item.get().as_bytes());
        lines.clone().outcome(line)
    });
    let results: Vec<OutcomeBody> = outcomes.buffered(AT_ONCE).collect().await;
    let created = results.iter().filter(|outcome| outcome.is_done()).count();
    Ok(Json(ResultsBody {
        created,
        failed: results.len() - created,
        results,
    }))
}
