//! Every error leaves as a complete problem document.

use axum::body::to_bytes;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{StatusCode, Uri};

use crate::problem::{Problem, types};
use crate::telemetry::current_trace_id;

/// More of a plain text than this is not taken over as the detail.
const MAX_DETAIL_BYTES: usize = 2_048;

/// Fills in `instance`, and turns the plain answers of the framework (no such method, an unreadable parameter) into
/// problem documents. What a handler answered in a media type of its own is left alone.
pub(super) async fn complete(mut response: Response, uri: &Uri) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let mut problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_plain(&response) => from_plain(&mut response).await,
        None => return response,
    };
    problem.complete(uri.path(), current_trace_id());
    problem.write_into(&mut response);
    response
}

fn is_plain(response: &Response) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}

async fn from_plain(response: &mut Response) -> Problem {
    let body = std::mem::take(response.body_mut());
    let status = response.status();
    let problem = general(status).with_status(status);
    // A plain 5xx may carry internals.
    if status.is_client_error() {
        let text = to_bytes(body, MAX_DETAIL_BYTES).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if !text.trim().is_empty() {
            return problem.with_detail(text.trim());
        }
    }
    match response
        .headers()
        .get(ALLOW)
        .and_then(|allow| allow.to_str().ok())
    {
        Some(allow) => problem.with_detail(format!("Allowed here: {allow}.")),
        None => problem,
    }
}

fn general(status: StatusCode) -> Problem {
    let exact = types::GENERAL.iter().find(|kind| kind.status == status.as_u16());
    let kind = match status.as_u16() {
        503 => &types::UNAVAILABLE,
        422 => &types::BAD_REQUEST,
        _ if status.is_client_error() => exact.unwrap_or(&types::BAD_REQUEST),
        _ => exact.unwrap_or(&types::INTERNAL),
    };
    Problem::of(kind)
}
