//! A problem as an axum response.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::{MEDIA_TYPE, Problem};
use crate::telemetry::current_trace_id;

impl Problem {
    /// Writes the document into `response`, which keeps its headers.
    pub(crate) fn write_into(&self, response: &mut Response) {
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.remove(http::header::CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        for (name, value) in self.headers() {
            headers.insert(name, value.clone());
        }
        *response.body_mut() = self.to_json().into();
    }
}

impl IntoResponse for Problem {
    /// The document, which also travels in the response's extensions, so that the outermost layer can fill in what
    /// only it knows.
    fn into_response(mut self) -> Response {
        if self.0.trace_id.is_none() {
            self.0.trace_id = current_trace_id();
        }
        let mut response = Response::default();
        self.write_into(&mut response);
        response.extensions_mut().insert(self);
        response
    }
}
