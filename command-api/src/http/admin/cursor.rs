//! Where a page of a list ended. Only admins see cursors, who may read all that a made-up one could point at, so they
//! are not authenticated; the filter's hash keeps one from being used with another question.

use std::fmt::Debug;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use depot_service::problem::Problem;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Serialize, Deserialize)]
struct Cursor<P> {
    filter: String,
    after: P,
}

/// The cursor behind the place `after` of the list with that filter.
pub fn of<P: Serialize>(after: P, filter: &impl Debug) -> String {
    let cursor = Cursor {
        filter: hash(filter),
        after,
    };
    // Text and numbers always serialize.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

/// The place that a cursor names.
///
/// # Errors
/// The problem `invalid-parameter`.
pub fn parse<P: DeserializeOwned>(text: &str, filter: &impl Debug) -> Result<P, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let cursor = bytes.and_then(|bytes| serde_json::from_slice::<Cursor<P>>(&bytes).ok());
    let cursor = cursor.ok_or_else(|| invalid("is none that this API gave"))?;
    if cursor.filter != hash(filter) {
        return Err(invalid("belongs to another filter; begin again without it"));
    }
    Ok(cursor.after)
}

pub fn invalid(detail: &str) -> Problem {
    Problem::invalid_parameter("cursor", detail)
}

fn hash(filter: &impl Debug) -> String {
    let text = format!("{filter:?}");
    URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..12])
}

/// How many are on a page.
///
/// # Errors
/// The problem `invalid-parameter`.
pub fn page_size(limit: Option<i64>) -> Result<i64, Problem> {
    const MOST: i64 = 200;
    let limit = limit.unwrap_or(50);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("is {limit}, 1 to {MOST} is accepted");
    Err(Problem::invalid_parameter("limit", detail))
}
