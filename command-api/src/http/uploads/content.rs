//! The bytes of an upload by way of this API, for clients that cannot reach the object store.

use std::time::Duration;

use axum::{body::Body, extract::State};
use depot_domain::{Sha256, Upload, UploadStatus};
use depot_object_store::{Digest, StreamError};
use depot_service::{params::PathParams, problem::Problem};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::Value;
use utoipa::ToSchema;

use super::{parse_id, render_received};
use crate::{
    commands::{CompleteUpload, OwnUpload, Writer},
    http::{answer::Answer, error, executor::Executor, problems, write_request::WriteRequest},
    staging::Staging,
};

/// The longest silence of a client.
const IDLE: Duration = Duration::from_secs(30);
/// A client that is slower than this on the whole is not waited for: it holds one of few places.
const SLOWEST_BYTES_PER_SECOND: i64 = 64 * 1024;

// What is sent, for the document: a text without a format would have programs made from it send text.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "the handler takes the body as a stream")]
struct FileBytes(Vec<u8>);

/// Sends the file through this API, whole, whatever its size; then it is received as by `complete`.
///
/// For clients that cannot reach the object store: the others send it there. Size and type have to be those announced,
/// and nothing is kept of bytes with another SHA-256, or of a body that breaks off. To send it again is no error; once
/// it is received, the body is not read any more, so `Expect: 100-continue` saves sending it. The size is HTTP's own
/// `Content-Length`, which a body that is sent in chunks lacks.
#[utoipa::path(
    put, path = "/api/v1/uploads/{id}/content", tag = "uploads",
    params(
        ("id" = Uuid, Path),
        ("Content-Type" = String, Header, description = "The announced type"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read; may be left out"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe, as it is without"),
    ),
    request_body(content_type = "application/octet-stream", description = "The file", content = inline(FileBytes)),
    responses(
        (status = 202, description = "Received; its outcome follows", body = super::UploadBody,
         headers(("ETag" = String, description = "The upload's version"))),
        (status = 200, description = "It was stored before", body = super::UploadBody,
         headers(("ETag" = String, description = "The upload's version"))),
        (status = 400, description = "No UUID", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not the owner", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Never was", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body broke off, fell silent, or came too slowly", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has ended, or its time is over", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "No Content-Length", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Another size, type or SHA-256 than was announced", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many streams as are taken at once, or the object store or the database does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn put(
    State(executor): State<Executor>,
    State(writer): State<Writer>,
    State(staging): State<Staging>,
    PathParams(id): PathParams<String>,
    write: WriteRequest,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Problem> {
    let id = parse_id(&id)?;
    let own = OwnUpload::read(&writer, &write.actor, id, &write.precondition).await;
    let own = own.map_err(|error| error::problem(&error))?;
    if own.upload.status == UploadStatus::Pending {
        let left = own
            .require_taking_bytes()
            .map_err(|refusal| error::refusal(&refusal))?;
        check(&headers, &own.upload)?;
        let size = own.upload.request.size_bytes.get();
        let slowest = Duration::from_secs((size / SLOWEST_BYTES_PER_SECOND).unsigned_abs());
        let received = staging.receive(
            &own.upload,
            body.into_data_stream(),
            IDLE,
            left.min(IDLE + slowest),
        );
        received.await.map_err(|error| problem(&error, &own.upload))?;
    }
    // From here on it is what `complete` does, also where the upload has been received or has ended before.
    let command = CompleteUpload {
        actor: write.actor.clone(),
        id,
        precondition: write.precondition.clone(),
    };
    // The bytes are no part of what names the request: the path says which they are.
    executor.run(write.identity(&[]), command, render_received).await
}

/// Size and type, before a byte is read.
fn check(headers: &HeaderMap, upload: &Upload) -> Result<(), Problem> {
    let (announced, found) = (upload.request.size_bytes.get(), content_length(headers)?);
    if announced != found {
        return Err(not_as_announced("size_bytes", announced.into(), found.into()));
    }
    let announced = upload.request.content_type.as_str();
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = |value: &str| {
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    let found = found.map(essence).unwrap_or_default();
    if announced != found {
        return Err(not_as_announced("content_type", announced.into(), found.into()));
    }
    Ok(())
}

fn content_length(headers: &HeaderMap) -> Result<i64, Problem> {
    let value = headers
        .get(CONTENT_LENGTH)
        .ok_or_else(|| Problem::of(&problems::CONTENT_LENGTH_REQUIRED))?;
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.ok_or_else(|| Problem::invalid_header("Content-Length", "is no size"))
}

fn not_as_announced(member: &str, announced: Value, found: Value) -> Problem {
    Problem::of(&problems::CONTENT_NOT_AS_ANNOUNCED)
        .with_detail(format!("{member} was announced as {announced}, and is {found}."))
        .with_extension("member", member)
        .with_extension("announced", announced)
        .with_extension("found", found)
}

fn problem(error: &StreamError, upload: &Upload) -> Problem {
    let incomplete = || Problem::of(&problems::CONTENT_INCOMPLETE);
    match error {
        StreamError::Store(error) => error::store_problem(error),
        StreamError::Source(_) => incomplete().with_detail("The body broke off."),
        StreamError::Silent(limit) => {
            incomplete().with_detail(format!("Nothing came for {} seconds.", limit.as_secs()))
        }
        StreamError::TooSlow(limit) => {
            incomplete().with_detail(format!("It did not come within {} seconds.", limit.as_secs()))
        }
        StreamError::NotAsAnnounced { found } => mismatch(found, upload),
    }
}

fn mismatch(found: &Digest, upload: &Upload) -> Problem {
    let announced = upload.request.size_bytes.get();
    if found.size_bytes != announced {
        return not_as_announced("size_bytes", announced.into(), found.size_bytes.into());
    }
    let found = Sha256::from_digest(found.sha256);
    not_as_announced(
        "sha256",
        upload.request.sha256.as_str().into(),
        found.as_str().into(),
    )
}
