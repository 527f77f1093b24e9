//! Path and query parameters whose faults are problems.

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Path parameters; a fault is the problem `invalid-parameter`.
#[derive(Debug, Clone)]
pub struct PathParams<T>(pub T);

/// Query parameters; a fault is the problem `invalid-parameter`.
#[derive(Debug, Clone)]
pub struct QueryParams<T>(pub T);

impl<T, S> FromRequestParts<S> for PathParams<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse("path", &rejection.body_text(), "Invalid URL: ")),
        }
    }
}

impl<T, S> FromRequestParts<S> for QueryParams<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(
                "query",
                &rejection.body_text(),
                "Failed to deserialize query string: ",
            )),
        }
    }
}

/// Names the parameter where axum's text begins with it (`limit: invalid digit`) or quotes it.
fn refuse(place: &str, text: &str, preamble: &str) -> Problem {
    let text = text.strip_prefix(preamble).unwrap_or(text);
    let named = text
        .split_once(": ")
        .filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    if let Some((name, detail)) = named {
        return Problem::invalid_parameter(name, detail);
    }
    let quoted = text.split('`').nth(1).unwrap_or(place);
    Problem::invalid_parameter(quoted, text)
}
