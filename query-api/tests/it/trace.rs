use depot_service::auth::Role;
use serde_json::Value;
use uuid::Uuid;

use crate::harness::{Harness, Item, TOPIC, put_upload};

async fn hops(service: &Harness, id: Uuid) -> Vec<Value> {
    let path = format!("/api/v1/admin/trace/{id}");
    let answer = service.get_as("root", &[Role::Admin], &path, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let trace = answer.json();
    assert_eq!(trace["id"], id.to_string());
    trace["hops"].as_array().unwrap().clone()
}

fn named<'a>(hops: &'a [Value], name: &str) -> Vec<&'a Value> {
    hops.iter().filter(|hop| hop["name"] == name).collect()
}

#[tokio::test]
async fn an_item_is_followed_through_its_versions_to_its_row() {
    let service = Harness::start().await;
    let mut item = Item::default();
    for (version, offset) in [(1, 4), (2, 9)] {
        item.version = version;
        item.put(&service.pool).await;
        item.put_change(&service.pool, 3, offset).await;
    }
    let hops = hops(&service, item.id).await;
    let events = named(&hops, "event");
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["version"], 2);
    assert_eq!(events[0]["facts"]["topic"], TOPIC);
    assert_eq!(events[0]["facts"]["partition"], 3);
    assert_eq!(events[0]["facts"]["offset"], 9);
    let view = named(&hops, "view")[0];
    assert_eq!(view["version"], 2);
    assert_eq!(view["state"], "done");
    assert_eq!(view["facts"]["status"], "active");
}

#[tokio::test]
async fn an_upload_is_followed_and_what_is_not_there_is_not_found() {
    let service = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&service.pool, id, "alice", "stored", 3).await;
    let hops = hops(&service, id).await;
    assert_eq!(named(&hops, "view")[0]["facts"]["status"], "stored");
    assert!(named(&hops, "event").is_empty());

    let admin = [Role::Admin];
    let nowhere = format!("/api/v1/admin/trace/{}", Uuid::now_v7());
    let absent = service.get_as("root", &admin, &nowhere, &[]).await;
    assert_eq!(absent.problem(), "not-found");
    let wrong = service.get_as("root", &admin, "/api/v1/admin/trace/7", &[]).await;
    assert_eq!(wrong.problem(), "invalid-parameter");
}
