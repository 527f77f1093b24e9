//! A request id and a span for each request.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;

use crate::telemetry::{RequestSpan, request_span};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is told of a request in its span.
pub(super) struct Trace {
    started: Instant,
    request_id: HeaderValue,
    is_read: bool,
}

impl Trace {
    /// Joins the caller's trace.
    pub fn begin(request: &Request, started: Instant) -> (Self, RequestSpan) {
        let headers = request.headers();
        let request_id = request_id(headers);
        let is_read = request.method().is_safe();
        let span = RequestSpan::new(is_read, headers, span(request, &request_id));
        let trace = Self {
            started,
            request_id,
            is_read,
        };
        (trace, span)
    }

    /// A read that was answered is counted and measured; a line of the log for each would cost more than the answer.
    fn is_usual(&self, status: u16) -> bool {
        self.is_read && status < 400
    }

    /// Answers with a request id (the caller's, if it sent a usable one), logs one line a request, of a read that was answered
    /// at the level `debug`. The query string is not logged: it may hold a cursor or a name.
    pub fn end(self, response: &mut Response) {
        let status = response.status().as_u16();
        let latency_ms = self.started.elapsed().as_secs_f64() * 1_000.0;
        if self.is_usual(status) {
            // As a signed number: of an unsigned one the trace would have the text.
            Span::current().record("http.response.status_code", i64::from(status));
            tracing::debug!(
                http.response.status_code = status,
                http.server.latency_ms = latency_ms,
                "request answered"
            );
        } else {
            let span = request_span();
            span.record("http.response.status_code", i64::from(status));
            if response.status().is_server_error() {
                span.record("error.type", response.status().as_str());
                span.record("otel.status_code", "ERROR");
            }
            span.in_scope(|| {
                tracing::info!(
                    http.response.status_code = status,
                    http.server.latency_ms = latency_ms,
                    "request answered"
                );
            });
        }
        response.headers_mut().insert(REQUEST_ID, self.request_id);
    }
}

fn span(request: &Request, request_id: &HeaderValue) -> impl Fn() -> Span + Send + use<> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let request_id = request_id.clone();
    move || {
        let method = method.as_str();
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        tracing::info_span!(
            "request",
            otel.name = format_args!("{method} {route}"),
            otel.kind = "server",
            otel.status_code = Empty,
            error.type = Empty,
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            url.path = uri.path(),
            request.id = request_id.to_str().unwrap_or_default(),
        )
    }
}

fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    match sent {
        Some(id) => id.clone(),
        None => HeaderValue::from_str(&Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("none")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use axum::response::IntoResponse as _;
    use http::Method;
    use tracing::Level;

    use super::*;
    use crate::problem::Problem;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(level: Level, method: Method, status: u16) -> usize {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let request = Request::builder().method(method).body(Body::empty()).unwrap();
            let mut response = Response::builder().status(status).body(Body::empty()).unwrap();
            Trace::begin(&request, Instant::now()).0.end(&mut response);
        });
        let written = lines.0.lock().unwrap();
        String::from_utf8_lossy(&written)
            .matches("request answered")
            .count()
    }

    #[test]
    fn all_but_answered_reads_have_a_line_that_is_seen() {
        for (method, status) in [(Method::GET, 200), (Method::HEAD, 304)] {
            assert_eq!(lines_of(Level::INFO, method.clone(), status), 0);
            assert_eq!(lines_of(Level::DEBUG, method, status), 1);
        }
        for (method, status) in [(Method::GET, 404), (Method::GET, 503), (Method::POST, 201)] {
            assert_eq!(lines_of(Level::INFO, method, status), 1);
        }
    }

    #[tokio::test]
    async fn what_goes_wrong_in_a_read_is_logged_in_its_span() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let _installed = tracing::subscriber::set_default(subscriber);
        // Made late in any case: whether one is depends on the levels of all subscribers of the process.
        let request = Request::get("/failing/7").body(Body::empty()).unwrap();
        let make = span(&request, &HeaderValue::from_static("id-of-the-caller"));
        let (trace, _) = Trace::begin(&request, Instant::now());
        let answering = async {
            assert!(Span::current().is_none());
            let mut response = Problem::internal(&io::Error::other("the cause")).into_response();
            trace.end(&mut response);
        };
        RequestSpan::late(make).run(answering).await;
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        for line in ["request failed", "request answered"] {
            let line = written.lines().find(|written| written.contains(line)).unwrap();
            assert!(line.contains("url.path=\"/failing/7\""), "{line}");
            assert!(line.contains("id-of-the-caller"), "{line}");
        }
    }
}
