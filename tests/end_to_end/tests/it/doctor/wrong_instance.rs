//! Instances that are not as the others: not ready, of another version, with another clock, or taking published tokens.

use std::time::SystemTime;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header::DATE},
    response::{IntoResponse, Response},
    routing::get,
};
use depot_end_to_end::{Depot, Service};
use depot_test_stack::wait_until;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::{look, with};

const SERVICES: [&str; 2] = ["--part", "services"];

/// Passes on what an instance says at its admin port, but for its clock and its version.
#[derive(Clone)]
struct Altered {
    admin_url: String,
    clock_seconds: i64,
    version: Option<&'static str>,
}

impl Altered {
    /// Where it listens.
    async fn serve(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/{page}", get(pass_on)).with_state(self);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }
}

async fn pass_on(State(altered): State<Altered>, Path(page): Path<String>) -> Response {
    let answer = reqwest::get(format!("{}/{page}", altered.admin_url))
        .await
        .unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let mut text = answer.text().await.unwrap();
    if let Some(version) = altered.version.filter(|_| page == "metrics") {
        let lines = text.lines().filter(|line| !line.starts_with("depot_build_info"));
        text = lines.map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("depot_build_info{{version=\"{version}\"}} 1\n"));
    }
    let now = OffsetDateTime::from(SystemTime::now());
    let date = (now + time::Duration::seconds(altered.clock_seconds))
        .format(&Rfc2822)
        .unwrap()
        .replace("+0000", "GMT");
    let mut answer = (status, Bytes::from(text)).into_response();
    answer
        .headers_mut()
        .insert(DATE, HeaderValue::from_str(&date).unwrap());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_another_version_or_with_another_clock_is_told_by_its_address() {
    let depot = Depot::start().await.unwrap();
    let environment = depot.environment();
    look(&environment, &SERVICES).await.assert_clean();
    look(&environment, &["--part", "clock"]).await.assert_clean();
    let ours = depot.admin_url(Service::QueryApi, "");
    let instance = |clock_seconds, version| Altered {
        admin_url: ours.clone(),
        clock_seconds,
        version,
    };
    let beside = |other: &str| {
        with(
            &environment,
            &[("QUERY_API_ADMIN_URLS", &format!("{ours},{other}"))],
        )
    };

    let old = instance(0, Some("0.0.9")).serve().await;
    let found = look(&beside(&old), &SERVICES).await;
    found.assert_only("versions_differ", &["0.0.9: query-api at", &old, "this tool"]);
    assert_eq!(found.code, 4, "{found:?}");

    for (seconds, severity, words) in [
        (10, "warning", "ahead of the database's"),
        (-1_000, "fault", "JWT_LEEWAY_SECONDS"),
    ] {
        let wrong = instance(seconds, None).serve().await;
        let found = look(&beside(&wrong), &["--part", "clock"]).await;
        found.assert_only("clock_differs", &["query-api at", &wrong, words, "NTP"]);
        assert_eq!(found.severity("clock_differs"), severity, "{found:?}");
        assert_eq!(found.findings().count(), 1, "the others agree: {found:?}");
    }
    let right = instance(0, None).serve().await;
    look(&beside(&right), &["--part", "clock"]).await.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_waits_is_told_with_its_reason_and_one_that_does_not_read_by_its_group() {
    let mut depot = Depot::start().await.unwrap();
    let environment = depot.environment();
    let nowhere = "postgres://depot_query:x@127.0.0.1:1/depot";
    let url = depot.backing.database.url(depot_test_stack::ServiceRole::Query);
    for (database, is_ready) in [(nowhere, false), (url.as_str(), true)] {
        let query_api = depot.process(Service::QueryApi);
        query_api.set("QUERY_API_DATABASE_URL", database);
        query_api.terminate().await.unwrap();
        query_api.restart().unwrap();
        wait_until("the tool says so", || async {
            let found = look(&environment, &SERVICES).await;
            match is_ready {
                false => found.has("service_not_ready", &["query-api at", "database: ", "Probes"]),
                true => found.is_clean(),
            }
        })
        .await;
    }

    let saga = depot.topics().group("saga");
    for enabled in ["false", "true"] {
        let command_api = depot.process(Service::CommandApi);
        command_api.set("SAGA_ENABLED", enabled);
        assert!(command_api.terminate().await.unwrap());
        command_api.restart().unwrap();
        wait_until("the tool says so", || async {
            let found = look(&environment, &["--part", "lag"]).await;
            match enabled {
                "false" => found.has("group_unread", &[&saga, "SAGA_ENABLED"]),
                _ => found.is_clean(),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_everybody_can_read_are_told_in_production() {
    let mut depot = Depot::start().await.unwrap();
    let environment = depot.environment();
    look(&environment, &["--part", "settings"]).await.assert_clean();
    let in_production = with(&environment, &[("APP_ENV", "production")]);
    let url = depot.command_url();
    let takes = ["takes tokens", &url, "APP_ENV=production"];
    let found = look(&in_production, &["--part", "settings"]).await;
    found.assert_only("published_secret", &["COMMAND_API_DATABASE_URL", "openssl rand"]);
    found.assert_has("published_secret", &takes);
    assert_eq!(found.code, 1, "{found:?}");

    // Once the services have a secret of their own, and this tool nothing that is published.
    let command_api = depot.process(Service::CommandApi);
    command_api.set("JWT_SECRET", "a-secret-of-this-tests-own-and-long-enough");
    assert!(command_api.terminate().await.unwrap());
    command_api.restart().unwrap();
    depot.wait_ready(Service::CommandApi).await;
    let found = look(&in_production, &["--part", "settings"]).await;
    assert!(!found.has("published_secret", &takes), "{found:?}");
    let of_ones_own = in_production
        .iter()
        .map(|(name, value)| (name.clone(), value.replace("dev-only-", "of-ones-own-")));
    let of_ones_own: Vec<_> = of_ones_own.collect();
    look(&of_ones_own, &["--part", "settings"]).await.assert_clean();
}
