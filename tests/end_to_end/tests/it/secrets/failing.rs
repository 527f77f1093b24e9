//! Services whose backing services refuse them, or are not there.

use std::time::Duration;

use depot_test_stack::settings;

use super::{JWT_SECRET, MARK, collector::collector, search::Search, services::Services};

const BACKING: [(&str, &str); 4] = [
    ("COMMAND_API_DATABASE_URL", "depot_command"),
    ("UPLOADER_DATABASE_URL", "depot_uploader"),
    ("PROJECTOR_DATABASE_URL", "depot_projector"),
    ("QUERY_API_DATABASE_URL", "depot_query"),
];

/// A secret in every setting that takes one; hosts and ports as they are given.
fn planted(
    postgres: &str,
    redis: &str,
    kafka: &str,
    store: &str,
    collector: String,
) -> Vec<(&'static str, String)> {
    let mut own: Vec<(&str, String)> = BACKING
        .into_iter()
        .map(|(name, role)| (name, format!("postgres://{role}:{MARK}-{role}@{postgres}/depot")))
        .collect();
    own.extend([
        ("JWT_SECRET", JWT_SECRET.to_owned()),
        (
            "SERVICE_TOKEN_SECRET",
            format!("{MARK}-service-token-secret-of-32-bytes"),
        ),
        (
            "CURSOR_SECRET",
            format!("{MARK}-cursor-secret-of-more-than-32-bytes"),
        ),
        ("JWT_JWKS_URL", format!("http://127.0.0.1:1/keys?key={MARK}")),
        // Whose tokens are signed by others gives out none.
        ("DEV_TOKEN_ENABLED", "false".to_owned()),
        ("REDIS_ADDR", format!("redis://:{MARK}-redis@{redis}/0")),
        ("KAFKA_BROKERS", kafka.to_owned()),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext".to_owned()),
        ("KAFKA_USERNAME", "depot".to_owned()),
        ("KAFKA_PASSWORD", format!("{MARK}-kafka")),
        ("MINIO_ENDPOINT", store.to_owned()),
        ("MINIO_PUBLIC_ENDPOINT", store.to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
    ]);
    for prefix in ["COMMAND_API", "QUERY_API", "UPLOADER"] {
        let name = match prefix {
            "COMMAND_API" => "COMMAND_API_MINIO_SECRET_KEY",
            "QUERY_API" => "QUERY_API_MINIO_SECRET_KEY",
            _ => "UPLOADER_MINIO_SECRET_KEY",
        };
        own.push((name, format!("{MARK}-store-{prefix}")));
    }
    own
}

/// Traces that show that what failed was traced.
const SPANS: [&str; 4] = [
    "POST /api/v1/items",
    "GET /api/v1/statistics",
    "depot.v1.QueryService/GetItem",
    "GET /api/v1/admin/outbox",
];

async fn search_services_that_fail(settings: impl FnOnce(String) -> Vec<(&'static str, String)>) {
    let (collector, traces) = collector().await;
    let mut services = Services::start(&settings(collector));
    let mut search = Search::default();
    services.search(&mut search).await;
    // Again, after they have tried for a while.
    tokio::time::sleep(Duration::from_secs(5)).await;
    services.search(&mut search).await;
    services.stop(&mut search).await;
    search.through_traces(&traces.lock().unwrap(), &SPANS);
    search.found_nothing(50_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_told_nowhere() {
    let postgres = url::Url::parse(settings().get("MIGRATE_DATABASE_URL")).unwrap();
    let postgres = format!("{}:{}", postgres.host_str().unwrap(), postgres.port().unwrap());
    search_services_that_fail(|collector| {
        planted(
            &postgres,
            settings().redis_addr(),
            settings().kafka_brokers(),
            settings().get("MINIO_ENDPOINT"),
            collector,
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_cannot_be_reached_are_named_without_their_passwords() {
    let nowhere = "127.0.0.1:1";
    search_services_that_fail(|collector| {
        planted(nowhere, nowhere, nowhere, "http://127.0.0.1:1", collector)
    })
    .await;
}
