//! Trace context through the layers.

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use depot_service::config::{AppEnv, HttpConfig, TelemetryConfig};
use depot_service::layers::standard_layers;
use depot_service::problem::Problem;
use depot_service::telemetry::{self, Telemetry, current_trace_headers, current_trace_id};
use http::Request;

use crate::requests::{body_text, problem, send};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn start() {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    TELEMETRY.get_or_init(|| {
        let config = TelemetryConfig {
            app_env: AppEnv::Test,
            log_level: "off".to_owned(),
            otlp_endpoint: None,
            sample_ratio: 1.0,
        };
        telemetry::init("test", &config).unwrap()
    });
}

async fn show() -> String {
    let headers = current_trace_headers().unwrap();
    format!(
        "{} {}",
        headers.traceparent,
        headers.tracestate.unwrap_or_default()
    )
}

fn router() -> Router {
    let broken = || async { Problem::not_found("gone") };
    standard_layers(
        Router::new().route("/", get(show)).route("/broken", get(broken)),
        &HttpConfig::default(),
    )
}

fn request(path: &str, traceparent: &str) -> Request<Body> {
    Request::get(path)
        .header("traceparent", traceparent)
        .header("tracestate", "vendor=1")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_request_joins_the_callers_trace_with_a_span_of_its_own() {
    start();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let shown = body_text(send(&router(), request("/", &parent)).await).await;
    assert!(
        shown.starts_with(&format!("00-{TRACE}-")) && shown.ends_with("-01 vendor=1"),
        "{shown}"
    );
    assert!(!shown.contains("00f067aa0ba902b7"), "{shown}");
}

#[tokio::test]
async fn a_malformed_traceparent_starts_a_new_trace() {
    start();
    for parent in [
        "",
        "00-0-0-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        let shown = body_text(send(&router(), request("/", parent)).await).await;
        assert_eq!(shown.split('-').nth(1).unwrap().len(), 32, "{shown}");
        assert!(!shown.contains("00000000000000000000000000000000"), "{shown}");
    }
}

#[tokio::test]
async fn a_problem_names_its_trace() {
    start();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-00");
    let problem = problem(send(&router(), request("/broken", &parent)).await).await;
    assert_eq!(problem.trace_id.as_deref(), Some(TRACE));
    assert_eq!(problem.instance.as_deref(), Some("/broken"));
}

#[tokio::test]
async fn a_read_that_nobody_traces_has_a_span_only_if_it_fails() {
    start();
    let has_span = || async { (!tracing::Span::current().is_none()).to_string() };
    let broken = || async { Problem::not_found("gone") };
    let routes = Router::new()
        .route("/", get(has_span).post(has_span))
        .route("/broken", get(broken));
    let router = standard_layers(routes, &HttpConfig::default());
    let ask = async |request: http::request::Builder| {
        body_text(send(&router, request.body(Body::empty()).unwrap()).await).await
    };
    assert_eq!(ask(Request::get("/")).await, "false");
    assert_eq!(ask(Request::post("/")).await, "true");
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-00");
    assert_eq!(ask(Request::get("/").header("traceparent", parent)).await, "true");

    let request = Request::get("/broken").body(Body::empty()).unwrap();
    let problem = problem(send(&router, request).await).await;
    let trace = problem.trace_id.clone().unwrap();
    assert!(
        trace.len() == 32 && trace.bytes().any(|digit| digit != b'0'),
        "{trace}"
    );
}

#[tokio::test]
async fn outside_of_a_span_there_is_no_trace() {
    start();
    assert_eq!(current_trace_id(), None);
}

#[tokio::test]
async fn a_traceparent_that_was_kept_can_be_joined_later() {
    start();
    let span = tracing::info_span!("later");
    telemetry::set_parent_from(&span, Some(&format!("00-{TRACE}-00f067aa0ba902b7-01")), None);
    assert_eq!(span.in_scope(current_trace_id).as_deref(), Some(TRACE));
}

#[tokio::test]
async fn a_message_is_handled_in_the_trace_that_caused_it() {
    start();
    let sent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let span = telemetry::process_span(&telemetry::Message {
        topic: "t.v1",
        partition: 0,
        offset: 7,
        group: "g",
        id: None,
        traceparent: Some(&sent),
        tracestate: None,
    });
    let headers = span.in_scope(current_trace_headers).unwrap();
    assert!(
        headers.traceparent.starts_with(&sent[..36]) && headers.traceparent != sent,
        "{headers:?}"
    );
}
