//! What clients see while Kafka is away.

use depot_end_to_end::{Backing, Client, Depot, OwnKafka, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::json;

/// Rows that wait in command-api's outbox, as an admin is told.
async fn rows_waiting(admin: &Client) -> i64 {
    let told = admin
        .send(admin.command(Method::GET, "/api/v1/admin/outbox"))
        .await
        .unwrap();
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    told.json()["rows"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_commands_are_accepted_the_lag_is_shown_and_it_drains_by_itself() {
    let kafka = OwnKafka::start().await.unwrap();
    let backing = Backing::create_on_brokers(kafka.gate.address()).await.unwrap();
    let depot = Depot::start_on(backing, &[]).await.unwrap();
    let (alice, admin) = (
        depot.client("alice", Role::Writer),
        depot.client("root", Role::Admin),
    );
    wait_until("nothing waits", || async { rows_waiting(&admin).await == 0 }).await;

    kafka.gate.shut();
    let mut items = Vec::new();
    for n in 0..30 {
        let created = alice
            .create_item(&format!("k{n}"), &json!({"name": "a"}))
            .await
            .unwrap();
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        items.push(created.text("id"));
    }
    // What is shown counts what was acknowledged since the positions were last saved too: none was.
    assert_eq!(rows_waiting(&admin).await, 30);
    wait_until("the metrics show the lag", || async {
        let shown = async |name| depot.metric(Service::CommandApi, name).await.unwrap();
        shown("depot_outbox_unpublished_rows").await >= 30.0
            && shown("depot_outbox_oldest_unpublished_seconds").await > 0.0
    })
    .await;
    let path = format!("/api/v1/items/{}", items[0]);
    let behind = alice
        .query(&format!("{path}?min_version=1"))
        .header("Prefer", "wait=1");
    let behind = alice.send(behind).await.unwrap();
    assert_eq!(behind.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(behind.text("type").ends_with("read-model-behind") && behind.header("retry-after").is_some());

    kafka.gate.open();
    for item in &items {
        let path = format!("/api/v1/items/{item}");
        wait_until("the item is readable", || async {
            alice
                .read_at_least(&path, "1")
                .await
                .is_ok_and(|answer| answer.status == StatusCode::OK)
        })
        .await;
    }
    wait_until("nothing waits", || async { rows_waiting(&admin).await == 0 }).await;
}
