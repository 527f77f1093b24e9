//! Items: create, replace, patch, delete.

mod body;

use axum::extract::State;
use depot_domain::ItemId;
use depot_service::{
    json::{JsonWithBytes, MergePatchJson},
    params::PathParams,
    problem::Problem,
};
use http::{
    StatusCode,
    header::{ETAG, LOCATION},
};
use serde::de::IgnoredAny;

pub use body::{FileBody, ItemBody, ItemContentBody, ItemPatchBody, NewItem, NewItemBody, new_item};

use super::{
    answer::Answer,
    error,
    executor::Executor,
    router::QueryAddress,
    write_request::{RawBody, WriteRequest},
};
use crate::commands::{CreateItem, DeleteItem, ItemAnswer, PatchItem, ReplaceItem};

/// Adds an item; the caller owns it.
#[utoipa::path(
    post, path = "/api/v1/items", tag = "items",
    params(("Idempotency-Key" = String, Header, description = "New for each intent; makes a repeat safe")),
    request_body = ItemContentBody,
    responses(
        (status = 201, description = "The item", body = ItemBody, headers(
            ("ETag" = String, description = "The item's version"),
            ("Location" = String, description = "The item on the query API, absolute"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` on a kept answer"))),
        (status = 400, description = "No JSON, or no Idempotency-Key", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role writer is needed", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The first request with this key is under way", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A backing service is away, or too much is asked at once", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn create(
    State(executor): State<Executor>,
    State(query): State<QueryAddress>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny>,
) -> Result<Answer, Problem> {
    write.require_key()?;
    let command = CreateItem {
        actor: write.actor.clone(),
        content: body::content(&body.bytes)?,
    };
    executor
        .run_together(write.identity(&body.bytes), command, created(query))
        .await
}

/// Replaces an item's content as a whole: members that are left out get their defaults.
#[utoipa::path(
    put, path = "/api/v1/items/{id}", tag = "items",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read, several, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    request_body = ItemContentBody,
    responses(
        (status = 200, description = "The item; with its present version where nothing changed", body = ItemBody,
         headers(("ETag" = String, description = "The item's version"))),
        (status = 400, description = "No JSON, or no UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Deleted", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version; ETag is the current one", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "No If-Match", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn replace(
    State(executor): State<Executor>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny>,
) -> Result<Answer, Problem> {
    let command = ReplaceItem {
        actor: write.actor.clone(),
        id: parse_id(&id)?,
        precondition: write.require_precondition()?,
        content: body::content(&body.bytes)?,
    };
    executor
        .run_together(write.identity(&body.bytes), command, |answer| {
            item(StatusCode::OK, &answer)
        })
        .await
}

/// Changes the named members of an item's content (JSON Merge Patch, RFC 7396); `null` gives a member its default.
#[utoipa::path(
    patch, path = "/api/v1/items/{id}", tag = "items",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read, several, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    request_body(content = ItemPatchBody, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The item; with its present version where nothing changed", body = ItemBody,
         headers(("ETag" = String, description = "The item's version"))),
        (status = 400, description = "No JSON, or no UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Deleted", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version; ETag is the current one", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type; Accept-Patch names the right one", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "No If-Match", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn patch(
    State(executor): State<Executor>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny, MergePatchJson>,
) -> Result<Answer, Problem> {
    let command = PatchItem {
        actor: write.actor.clone(),
        id: parse_id(&id)?,
        precondition: write.require_precondition()?,
        patch: body::patch(&body.bytes)?,
    };
    executor
        .run_together(write.identity(&body.bytes), command, |answer| {
            item(StatusCode::OK, &answer)
        })
        .await
}

/// Deletes an item for good; its files go with it.
#[utoipa::path(
    delete, path = "/api/v1/items/{id}", tag = "items",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = String, Header, description = "The ETag that was read, several, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 204, description = "Deleted", headers(("ETag" = String, description = "The item's last version"))),
        (status = 400, description = "No UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "Deleted before", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version; ETag is the current one", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "No If-Match", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn delete(
    State(executor): State<Executor>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let command = DeleteItem {
        actor: write.actor.clone(),
        id: parse_id(&id)?,
        precondition: write.require_precondition()?,
    };
    let render = |answer: ItemAnswer| Answer::empty(StatusCode::NO_CONTENT).with(ETAG, answer.version.etag());
    executor.run(write.identity(&body), command, render).await
}

/// How a new item is answered.
pub fn created(query: QueryAddress) -> impl Fn(ItemAnswer) -> Answer + Send + Sync + 'static {
    move |answer| {
        let location = query.url_of(&format!("/api/v1/items/{}", answer.item.id));
        item(StatusCode::CREATED, &answer).with(LOCATION, location)
    }
}

fn item(status: StatusCode, answer: &ItemAnswer) -> Answer {
    Answer::json(status, &ItemBody::from(&answer.item)).with(ETAG, answer.version.etag())
}

fn parse_id(text: &str) -> Result<ItemId, Problem> {
    text.parse().map_err(|invalid| error::invalid_id(&invalid))
}
