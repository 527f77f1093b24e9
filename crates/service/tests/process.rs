//! What is decided once for a process, in one that has a collector and whose recorder comes late.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use depot_service::{
    config::{AppEnv, HttpConfig, TelemetryConfig},
    layers::standard_layers,
    metrics::{Metrics, record_request},
    telemetry,
};
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

#[tokio::test]
async fn with_a_collector_every_read_has_its_span() {
    let config = TelemetryConfig {
        app_env: AppEnv::Test,
        log_level: "info".to_owned(),
        // Nobody listens there: spans are made all the same.
        otlp_endpoint: Some("http://127.0.0.1:1".to_owned()),
        sample_ratio: 1.0,
    };
    let _telemetry = telemetry::init("test", &config).unwrap();
    let has_span = || async { (!tracing::Span::current().is_none()).to_string() };
    let router = standard_layers(Router::new().route("/", get(has_span)), &HttpConfig::default());
    let answer = router
        .oneshot(Request::get("/").body(Body::empty()).unwrap())
        .await
        .unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes, "true");
}

#[test]
fn a_series_that_was_looked_up_before_the_recorder_came_counts_from_then_on() {
    let record = || record_request("GET", "/late", "2xx", Duration::from_millis(1));
    record();
    let metrics = Metrics::install().unwrap();
    record();
    record();
    let shown = metrics.render();
    let line = shown
        .lines()
        .find(|line| line.starts_with("depot_requests_total") && line.contains("/late"));
    assert!(line.is_some_and(|line| line.ends_with(" 2")), "{shown}");
}
