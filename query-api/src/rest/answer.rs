//! Shapes of answers that several routes share.

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use depot_service::problem::Problem;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LINK, VARY},
};
use serde::Serialize;
use url::form_urlencoded;

use super::etag;
use crate::read::Held;

/// A stored representation as it is, or 304 for a client that has it. The caller checked that it may be shown.
pub fn held(headers: &HeaderMap, held: &Held) -> Response {
    let tag = held.entry.version.view_etag(held.projection);
    let body = held.entry.body.clone().unwrap_or_default();
    unless_known(headers, &tag, || {
        let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (content_type, Body::from(body)).into_response()
    })
}

/// A representation under its tag, or 304 for a client that has it.
pub fn tagged(headers: &HeaderMap, tag: &str, shown: &impl Serialize) -> Response {
    unless_known(headers, tag, || Json(shown).into_response())
}

fn unless_known(headers: &HeaderMap, tag: &str, whole: impl FnOnce() -> Response) -> Response {
    let mut response = match etag::none_match_names(headers, tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => whole(),
    };
    if let Some(tag) = etag::value(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    revalidated(response)
}

/// A page, with a link to the next one: the request's own query with another cursor.
pub fn page(path: &str, query: Option<&str>, next_cursor: Option<&str>, page: impl Serialize) -> Response {
    let mut response = revalidated(Json(page).into_response());
    let Some(cursor) = next_cursor else {
        return response;
    };
    let mut next = form_urlencoded::Serializer::new(String::new());
    let kept = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    next.extend_pairs(kept.filter(|(name, _)| name != "cursor"))
        .append_pair("cursor", cursor);
    if let Ok(link) = HeaderValue::try_from(format!("<{path}?{}>; rel=\"next\"", next.finish())) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// Kept by a browser for its own user at most, and never used without asking again.
fn revalidated(mut response: Response) -> Response {
    cache_control(&mut response, "private, no-cache");
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("authorization"));
    response
}

/// Kept nowhere.
pub fn unkept(mut response: Response) -> Response {
    cache_control(&mut response, "no-store");
    response
}

fn cache_control(response: &mut Response, value: &'static str) {
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static(value));
}

/// An id in a path.
///
/// # Errors
/// The problem `invalid-parameter`.
pub fn parse_id<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::invalid_parameter("id", error.to_string()))
}
