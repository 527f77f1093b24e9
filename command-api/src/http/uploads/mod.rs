//! Uploads: announce a file, say that its bytes are there, give it up.

mod body;
pub(super) mod content;
pub mod parts;

use axum::extract::State;
use depot_domain::{UploadId, UploadStatus};
use depot_service::{
    json::{self, JsonWithBytes},
    params::PathParams,
    problem::Problem,
};
use http::{
    StatusCode,
    header::{ETAG, LOCATION},
};
use serde::de::IgnoredAny;

pub use body::{RequestedUploadBody, UploadBody, UploadRequestBody};

use super::{
    answer::Answer,
    error,
    executor::Executor,
    router::QueryAddress,
    write_request::{RawBody, WriteRequest},
};
use crate::{
    announcement::{Announcement, Announcements},
    commands::{AbortUpload, CompleteUpload, UploadAnswer},
};

/// Announces a file for an item: reserves quota, and answers how to send the bytes: by one PUT, or, where the file is
/// large, in parts.
///
/// A repeat with the same key gives the same answer, with a URL that may have ended by then.
#[utoipa::path(
    post, path = "/api/v1/uploads", tag = "uploads",
    params(("Idempotency-Key" = String, Header, description = "New for each intent; makes a repeat safe")),
    request_body = UploadRequestBody,
    responses(
        (status = 201, description = "The upload, and the request that sends its bytes", body = RequestedUploadBody, headers(
            ("ETag" = String, description = "The upload's version"),
            ("Location" = String, description = "The upload on the query API, absolute"),
            ("Idempotency-Replayed" = Option<String>, description = "`true` on a kept answer"))),
        (status = 400, description = "No JSON, or no Idempotency-Key", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the item's owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such item", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too little quota, too many files, or the first request with this key is under way", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The item is deleted", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Invalid fields, a type of content that is not accepted, or the key was used for another request", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn request(
    State(executor): State<Executor>,
    State(query): State<QueryAddress>,
    State(announcements): State<Announcements>,
    write: WriteRequest,
    body: JsonWithBytes<IgnoredAny>,
) -> Result<Answer, Problem> {
    write.require_key()?;
    let request = body::request(&body.bytes, &announcements.accepted)?;
    let announced = announcements.announce(write.actor.clone(), request).await;
    let Announcement { command, put } = announced.map_err(|error| Problem::internal(&error))?;
    let render = move |answer: UploadAnswer| {
        let location = query.url_of(&format!("/api/v1/uploads/{}", answer.upload.id));
        Answer::json(
            StatusCode::CREATED,
            &RequestedUploadBody::new(&answer.upload, put.as_ref()),
        )
        .with(ETAG, answer.version.etag())
        .with(LOCATION, location)
    };
    executor.run(write.identity(&body.bytes), command, render).await
}

/// Says that the bytes are there. They are verified and stored after this answer.
#[utoipa::path(
    post, path = "/api/v1/uploads/{id}/complete", tag = "uploads",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read; may be left out"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 202, description = "Received; its outcome follows", body = UploadBody,
         headers(("ETag" = String, description = "The upload's version"))),
        (status = 200, description = "It was stored before", body = UploadBody,
         headers(("ETag" = String, description = "The upload's version"))),
        (status = 400, description = "No UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn complete(
    State(executor): State<Executor>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let command = CompleteUpload {
        actor: write.actor.clone(),
        id: parse_id(&id)?,
        precondition: write.precondition.clone(),
    };
    if !body.is_empty() {
        json::parse::<body::NoMembers>(&body)?;
    }
    executor
        .run(write.identity(&body), command, render_received)
        .await
}

/// An upload that was received now or before.
fn render_received(answer: UploadAnswer) -> Answer {
    let status = match answer.upload.status {
        UploadStatus::Stored => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    Answer::json(status, &UploadBody::from(&answer.upload)).with(ETAG, answer.version.etag())
}

/// Gives up an open upload and releases its quota. Giving up again is no error.
#[utoipa::path(
    delete, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read; may be left out"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe"),
    ),
    responses(
        (status = 204, description = "Aborted", headers(("ETag" = String, description = "The upload's version"))),
        (status = 400, description = "No UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It ended otherwise", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn abort(
    State(executor): State<Executor>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    RawBody(body): RawBody,
) -> Result<Answer, Problem> {
    let command = AbortUpload {
        actor: write.actor.clone(),
        id: parse_id(&id)?,
        precondition: write.precondition.clone(),
    };
    let render =
        |answer: UploadAnswer| Answer::empty(StatusCode::NO_CONTENT).with(ETAG, answer.version.etag());
    executor.run(write.identity(&body), command, render).await
}

fn parse_id(text: &str) -> Result<UploadId, Problem> {
    text.parse().map_err(|invalid| error::invalid_id(&invalid))
}
