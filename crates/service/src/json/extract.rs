//! Extractors for handlers.

use std::marker::PhantomData;

use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::faults::{ShapeFault, collect_faults};
use super::media_type::{self, ApplicationJson, MediaType};
use crate::layers::BodyLimit;
use crate::problem::{Problem, types};

/// A JSON body (`application/json`).
///
/// Refuses with the problems `unsupported-media-type`, `payload-too-large`, `malformed-json` and
/// `validation-failed`; the last names every field of a wrong type, unknown or missing.
#[derive(Debug, Clone)]
pub struct StrictJson<T>(pub T);

/// A JSON body of the media type `M`, with the bytes as they came: what a fingerprint of the request is made of.
#[derive(Debug, Clone)]
pub struct JsonWithBytes<T, M = ApplicationJson> {
    /// The parsed body.
    pub value: T,
    /// The body as it came.
    pub bytes: Bytes,
    media_type: PhantomData<M>,
}

impl<T, S> FromRequest<S> for StrictJson<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = JsonWithBytes::<T, ApplicationJson>::from_request(request, state).await?;
        Ok(Self(body.value))
    }
}

impl<T, M, S> FromRequest<S> for JsonWithBytes<T, M>
where
    T: DeserializeOwned,
    M: MediaType,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        media_type::check::<M>(request.headers())?;
        let bytes = read_body(request, state).await?;
        Ok(Self {
            value: parse(&bytes)?,
            bytes,
            media_type: PhantomData,
        })
    }
}

async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let limit = request.extensions().get::<BodyLimit>().copied();
    Bytes::from_request(request, state).await.map_err(|rejection| {
        match (rejection.into_response().status(), limit) {
            (StatusCode::PAYLOAD_TOO_LARGE, Some(BodyLimit(bytes))) => Problem::payload_too_large(bytes),
            (StatusCode::PAYLOAD_TOO_LARGE, None) => Problem::of(&types::PAYLOAD_TOO_LARGE),
            _ => Problem::of(&types::BAD_REQUEST).with_detail("The body ended before it was complete."),
        }
    })
}

/// Parses a body, strictly.
///
/// # Errors
/// The problem `malformed-json`, or `validation-failed` with all faults of shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    parse_by(bytes, |text| serde_json::from_str(text), shape::<T>)
}

/// As [`parse`], where the type is not named: `read` reads a text as that type, `shape` says whether a value has its shape.
///
/// # Errors
/// As [`parse`].
pub fn parse_by<T>(
    bytes: &[u8],
    read: impl FnOnce(&str) -> Result<T, serde_json::Error>,
    shape: impl Fn(&Value) -> Result<(), ShapeFault>,
) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::malformed_json(format!("The body is not UTF-8 at byte {}.", error.valid_up_to()))
    })?;
    read(text).map_err(|error| refusal(text, &error, &shape))
}

fn shape<T: DeserializeOwned>(value: &Value) -> Result<(), ShapeFault> {
    serde_path_to_error::deserialize::<_, T>(value).map(drop)
}

/// The first fault may be one of shape in a text that is no JSON further on: then that is what is said.
fn refusal(
    text: &str,
    error: &serde_json::Error,
    shape: &impl Fn(&Value) -> Result<(), ShapeFault>,
) -> Problem {
    if error.classify() != serde_json::error::Category::Data {
        return Problem::malformed_json(sentence(error));
    }
    match serde_json::from_str(text) {
        Ok(value) => Problem::validation_failed(collect_faults(value, error, shape)),
        Err(error) => Problem::malformed_json(sentence(&error)),
    }
}

fn sentence(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "The body ends before the JSON value does.".to_owned();
    }
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("{what}, at line {}, column {}.", error.line(), error.column())
}
