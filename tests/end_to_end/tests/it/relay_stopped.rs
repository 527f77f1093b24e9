use depot_end_to_end::{Depot, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::StatusCode;
use serde_json::json;

/// A stopped process keeps its connections; its successor takes over all the same, and what the stopped one does
/// when it wakes changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_its_version_while_the_projector_is_stopped_and_gets_it_afterwards() {
    let mut depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    depot.process(Service::Projector).signal("STOP").await.unwrap();
    let created = alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    let path = format!("/api/v1/items/{}", created.text("id"));

    let behind = alice
        .send(
            alice
                .query(&format!("{path}?min_version=1"))
                .header("Prefer", "wait=1"),
        )
        .await
        .unwrap();
    assert_eq!(behind.status, StatusCode::SERVICE_UNAVAILABLE, "{behind:?}");
    assert!(behind.text("type").ends_with("read-model-behind"), "{behind:?}");
    assert!(behind.header("retry-after").is_some());

    depot.process(Service::Projector).signal("CONT").await.unwrap();
    wait_until("the version is readable", || async {
        alice
            .read_at_least(&path, "1")
            .await
            .is_ok_and(|answer| answer.status == StatusCode::OK)
    })
    .await;
}
