use depot_service::auth::Role;
use depot_test_stack::{free_port, wait_until};
use serde_json::Value;

use crate::harness::Harness;

async fn picture(service: &Harness, query: &str) -> Value {
    let path = format!("/api/v1/admin/pipeline{query}");
    let answer = service.get_as("root", &[Role::Admin], &path, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

fn stage<'a>(picture: &'a Value, name: &str) -> &'a Value {
    let stages = picture["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["name"] == name).unwrap()
}

/// A query-api that asks itself how it is, and a projector where nobody is.
async fn alone() -> Harness {
    let port = free_port().unwrap();
    Harness::start_with(|config| {
        config.process.admin_port = port;
        let url = |port: u16| vec![format!("http://127.0.0.1:{port}").parse().unwrap()];
        config.admin.query_api = url(port);
        // Nothing listens on port 1.
        config.admin.projector = url(1);
    })
    .await
}

#[tokio::test]
async fn a_process_that_answers_is_shown_with_its_figures_and_one_that_does_not_with_the_reason() {
    let service = alone().await;
    wait_until("the projector is down", || async {
        stage(&picture(&service, "").await, "projector")["state"] == "down"
    })
    .await;
    let shown = picture(&service, "").await;
    let names: Vec<_> = shown["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| &stage["name"])
        .collect();
    assert_eq!(
        names,
        [
            "command-api",
            "outbox",
            "kafka",
            "projector",
            "uploader",
            "saga",
            "dead-letters",
            "views",
            "cache",
            "objects",
            "query-api"
        ]
    );
    let own = stage(&shown, "query-api");
    assert_eq!(own["state"], "ok", "{own}");
    let instance = &own["instances"][0];
    assert!(
        instance["instance"].as_str().unwrap().starts_with("query-api@"),
        "{instance}"
    );
    assert!(instance["silent_ms"].as_u64().unwrap() < 1_500, "{instance}");
    assert_eq!(instance["version"], env!("CARGO_PKG_VERSION"));

    let projector = stage(&shown, "projector");
    let reason = projector["reason"].as_str().unwrap();
    assert!(
        reason.contains("127.0.0.1:1") && reason.contains("nothing listens there"),
        "{reason}"
    );
    assert!(projector["instances"][0]["last_seen"].is_null());
    // The stores answer, though no process tells of them.
    for name in ["views", "cache"] {
        assert_eq!(stage(&shown, name)["state"], "ok", "{shown}");
    }
    // Who would know of them is not there.
    for name in ["kafka", "objects"] {
        assert_eq!(stage(&shown, name)["state"], "down", "{shown}");
    }
}

#[tokio::test]
async fn only_later_points_are_told_to_who_has_the_rest() {
    let service = alone().await;
    let all = picture(&service, "").await;
    let last = all["series"]["at"].as_array().unwrap().last().unwrap();
    let last = last.as_str().unwrap();
    let later = picture(&service, &format!("?series_since={last}")).await;
    let points = later["series"]["at"].as_array().unwrap();
    assert!(points.iter().all(|at| at.as_str().unwrap() > last), "{points:?}");
    for values in all["series"]["of"].as_object().unwrap().values() {
        assert_eq!(
            values.as_array().unwrap().len(),
            all["series"]["at"].as_array().unwrap().len()
        );
    }
    let refused = service
        .get_as(
            "root",
            &[Role::Admin],
            "/api/v1/admin/pipeline?series_since=yesterday",
            &[],
        )
        .await;
    assert_eq!(refused.problem(), "invalid-parameter");
}
