//! One item and one upload, followed.

use serde_json::Value;
use uuid::Uuid;

use crate::service::Service;

async fn hops(service: &Service, id: Uuid) -> Vec<Value> {
    let path = format!("/api/v1/admin/trace/{id}");
    let trace = service.by_admin("GET", &path).send().await.expect(200).json();
    assert_eq!(trace["id"], id.to_string());
    trace["hops"].as_array().unwrap().clone()
}

fn named<'a>(hops: &'a [Value], name: &str) -> Vec<&'a Value> {
    hops.iter().filter(|hop| hop["name"] == name).collect()
}

#[tokio::test]
async fn an_item_is_followed_from_its_state_to_its_events() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let hops = hops(&service, item).await;
    let state = named(&hops, "state")[0];
    assert_eq!(state["version"], 1);
    assert_eq!(state["state"], "done");
    let events = named(&hops, "event");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["facts"]["event_type"], "depot.item.created.v1");
    assert_eq!(named(&hops, "outbox").len(), 1);
    assert!(named(&hops, "saga").is_empty());
}

#[tokio::test]
async fn an_upload_is_followed_with_its_saga_and_what_was_parked_is_stuck() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let upload = service.upload("alice", item, 10).await;
    let saga = hops(&service, upload).await;
    let saga = named(&saga, "saga")[0];
    assert_eq!(saga["facts"]["saga"], "upload");
    assert_eq!(saga["facts"]["step"], "awaiting_bytes");
    assert_eq!(saga["state"], "waiting");
    assert!(saga["facts"]["deadline"].is_string(), "{saga}");

    sqlx::query(
        "INSERT INTO command.outbox_parked_aggregates (aggregate_id, shard, reason) VALUES ($1, 3, 'too large')",
    )
    .bind(upload)
    .execute(&service.pool)
    .await
    .unwrap();
    let parked = hops(&service, upload).await;
    let outbox = named(&parked, "outbox")[0];
    assert_eq!(outbox["state"], "stuck");
    assert_eq!(outbox["facts"]["parked_reason"], "too large");
}

#[tokio::test]
async fn an_open_letter_of_it_is_told_as_stuck_and_what_is_not_there_is_not_found() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    sqlx::query(
        "INSERT INTO command.dead_letters (consumer_group, topic, partition, \"offset\", key, reason, detail, attempts,
             first_failed_at, failed_at, dlq_topic, dlq_partition, dlq_offset)
         VALUES ('depot.projector', 'depot.items.v1', 0, 7, $1, 'undecodable', 'no JSON', 1, now(), now(),
             'depot.items.dlq.v1', 0, 0)",
    )
    .bind(item.to_string().into_bytes())
    .execute(&service.pool)
    .await
    .unwrap();
    let hops = hops(&service, item).await;
    let letter = named(&hops, "dead_letter")[0];
    assert_eq!(letter["state"], "stuck");
    assert_eq!(letter["facts"]["offset"], 7);

    let nowhere = format!("/api/v1/admin/trace/{}", Uuid::now_v7());
    service
        .by_admin("GET", &nowhere)
        .send()
        .await
        .expect_problem(404, "not-found");
}
