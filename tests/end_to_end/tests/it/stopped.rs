use depot_end_to_end::{Backing, Client, Depot, OwnKafka, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::StatusCode;
use serde_json::json;

use crate::{load::Load, schema_check::every_event_meets_its_schema, verify};

/// How many processes hold shards of command-api's outbox.
async fn relays_with_shards(depot: &Depot) -> i64 {
    let statement = "SELECT count(DISTINCT holder) FROM command.outbox_shards WHERE expires_at > now()";
    sqlx::query_scalar(statement)
        .fetch_one(&depot.database)
        .await
        .unwrap()
}

/// A stopped process keeps its connections, so only the lease's expiry takes its shards away; and what it had queued
/// it may send when it wakes, behind newer events: repeats, which change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_relay_loses_its_shards_and_what_it_sends_when_it_wakes_changes_nothing() {
    let mut depot = Depot::start().await.unwrap();
    let second = depot.start_another(Service::CommandApi).await.unwrap();
    wait_until("both relays hold shards", || async {
        relays_with_shards(&depot).await == 2
    })
    .await;

    let token = depot.token("alice", Role::Writer);
    let load = Load::start(&Client::new(
        second.url.clone().unwrap(),
        depot.query_url(),
        &token,
    ));
    verify::wait_for_work_in_flight(&depot).await;
    for _ in 0..2 {
        depot.process(Service::CommandApi).signal("STOP").await.unwrap();
        wait_until("the running relay holds all shards", || async {
            relays_with_shards(&depot).await == 1
        })
        .await;
        depot.process(Service::CommandApi).signal("CONT").await.unwrap();
        wait_until("the woken relay is dealt shards again", || async {
            relays_with_shards(&depot).await == 2
        })
        .await;
    }
    let acknowledged = load.stop().await;
    verify::quiet(&depot).await;
    every_event_meets_its_schema(&depot).await;
    let checked = verify::nothing_lost_doubled_or_reordered(&depot, &acknowledged).await;
    println!("{checked:?}");
}

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

/// A client of Kafka says goodbye when it is closed, and one that is just asking waits for its answer.
#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_stopped_while_kafka_is_silent_end_in_order() {
    let kafka = OwnKafka::start().await.unwrap();
    let backing = Backing::create_on_brokers(kafka.gate.address()).await.unwrap();
    let mut depot = Depot::start_on(backing, &[]).await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    kafka.gate.hold();
    alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    for service in Service::ALL {
        let ended_well = depot.process(service).terminate().await.unwrap();
        assert!(ended_well, "{} at its work", service.name());
    }
    for service in Service::ALL {
        depot.process(service).restart().unwrap();
    }
    for service in Service::ALL {
        let live = depot.admin_url(service, "/livez");
        wait_until(&format!("{} is live", service.name()), || async {
            reqwest::get(&live)
                .await
                .is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
        let ended_well = depot.process(service).terminate().await.unwrap();
        assert!(ended_well, "{} at its start", service.name());
    }
    kafka.gate.open();
}
