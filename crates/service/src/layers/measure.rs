//! Request count and latency by route template.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{Method, StatusCode};

use crate::metrics;

/// What requests without a route are counted under, so that scanners make no series.
const NO_ROUTE: &str = "none";

/// A request that is being answered.
pub(super) struct Measure {
    started: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
}

impl Measure {
    pub fn begin(request: &Request, started: Instant) -> Self {
        Self {
            started,
            method: method_label(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }

    pub fn end(self, response: &Response) {
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let status = status_class(response.status());
        metrics::record_request(self.method, route, status, self.started.elapsed());
        if response.status().is_server_error() {
            metrics::count_error("http", "5xx");
        }
    }
}

/// One of a fixed set: a method is free text of the client.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
