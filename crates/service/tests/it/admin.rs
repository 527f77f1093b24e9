//! Probes and metrics.

use axum::Router;
use depot_service::config::DatabaseConfig;
use depot_service::health::{Readiness, ReadinessReport, admin_router, public_routes};
use depot_service::metrics::Metrics;
use depot_service::{
    database::{self, Plans},
    metrics,
};

use crate::requests::{body_text, get, header};

fn admin(readiness: &Readiness) -> Router {
    admin_router(readiness.clone(), Metrics::install().unwrap())
}

async fn report(router: &Router) -> (u16, ReadinessReport) {
    let response = get(router, "/readyz").await;
    let status = response.status().as_u16();
    (status, serde_json::from_str(&body_text(response).await).unwrap())
}

#[tokio::test]
async fn readiness_names_what_it_waits_for() {
    let readiness = Readiness::new();
    let consumer = readiness.part("consumer");
    readiness.check("topics", || async { Err("depot.items.v1 is missing".to_owned()) });
    let router = admin(&readiness);

    let (status, report_before) = report(&router).await;
    assert_eq!((status, report_before.ready), (503, false));
    let waiting: Vec<_> = report_before
        .waiting_for
        .iter()
        .map(|w| (w.name.as_str(), w.reason.as_str()))
        .collect();
    assert_eq!(
        waiting,
        [("topics", "depot.items.v1 is missing"), ("consumer", "starting")]
    );
    assert_eq!(get(&router, "/startupz").await.status(), 503);

    consumer.ready();
    readiness.check("topics", || async { Ok(()) });
    assert_eq!(report(&router).await.0, 200);
    assert_eq!(get(&router, "/startupz").await.status(), 200);

    consumer.waiting_for("an assignment");
    assert_eq!(report(&router).await.0, 503);
    assert_eq!(get(&router, "/startupz").await.status(), 200);
}

#[tokio::test]
async fn readiness_is_false_while_draining_and_liveness_is_not() {
    let readiness = Readiness::new();
    let router = admin(&readiness);
    assert_eq!(report(&router).await.0, 200);
    readiness.start_draining();
    let (status, report) = report(&router).await;
    assert_eq!((status, report.ready, report.draining), (503, false, true));
    assert_eq!(get(&router, "/livez").await.status(), 200);
}

#[tokio::test]
async fn a_database_that_is_away_is_named_and_stops_neither_start_nor_liveness() {
    // Nothing listens on port 1.
    let config = DatabaseConfig::for_url("postgres://depot:pw@127.0.0.1:1/depot", "command");
    let pool = database::connect(&config, "test", Plans::Usual).unwrap();
    let readiness = Readiness::new();
    readiness.check("database", move || database::check(pool.clone()));
    let router = admin(&readiness);
    let (status, report) = report(&router).await;
    assert_eq!(status, 503);
    assert_eq!(report.waiting_for[0].name, "database");
    assert!(!report.waiting_for[0].reason.contains("pw"), "{report:?}");
    assert_eq!(get(&router, "/livez").await.status(), 200);
}

#[tokio::test]
async fn the_five_metrics_are_there_from_the_start() {
    let response = get(&admin(&Readiness::new()), "/metrics").await;
    assert!(header(&response, "content-type").starts_with("text/plain"));
    let text = body_text(response).await;
    for (name, kind) in [
        (metrics::REQUEST_LATENCY_SECONDS, "histogram"),
        (metrics::REQUESTS_TOTAL, "counter"),
        (metrics::ERRORS_TOTAL, "counter"),
        (metrics::TASKS_COUNT, "gauge"),
        (metrics::DB_CONN_COUNT, "gauge"),
    ] {
        assert!(
            text.contains(&format!("# TYPE {name} {kind}\n")),
            "{name}: {text}"
        );
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
        let sample = |line: &&str| line.starts_with(name) && !line.starts_with('#');
        assert!(
            text.lines().any(|line| sample(&line)),
            "{name} has no sample: {text}"
        );
    }
    assert!(text.contains("depot_request_latency_seconds_bucket{method=\"GET\",route=\"/livez\",status=\"2xx\",le=\"0.005\"}"), "{text}");
}

#[tokio::test]
async fn requests_are_counted_under_their_route_template() {
    let config = depot_service::config::HttpConfig::default();
    let broken = || async { http::StatusCode::INTERNAL_SERVER_ERROR };
    let routes = Router::new()
        .route("/counted/{id}", axum::routing::get(|| async { "ok" }))
        .route("/counted-broken", axum::routing::get(broken));
    let router = depot_service::layers::standard_layers(routes, &config);
    let metrics = Metrics::install().unwrap();
    for path in [
        "/counted/1",
        "/counted/2",
        "/counted-broken",
        "/counted-nowhere/3",
    ] {
        get(&router, path).await;
    }
    let text = metrics.render();
    let line = "depot_requests_total{method=\"GET\",route=\"/counted/{id}\",status=\"2xx\"} 2";
    assert!(text.contains(line), "{text}");
    assert!(
        text.contains("depot_requests_total{method=\"GET\",route=\"/counted-broken\",status=\"5xx\"} 1"),
        "{text}"
    );
    assert!(!text.contains("counted-nowhere"), "{text}");
}

#[tokio::test]
async fn public_health_is_on_both_paths() {
    for path in ["/health", "/api/v1/health"] {
        let response = get(&public_routes(), path).await;
        assert_eq!(body_text(response).await, r#"{"status":"ok"}"#);
    }
}
