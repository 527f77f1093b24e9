use depot_end_to_end::{Depot, Service, read_topic, sha256_hex};
use depot_schemas::{Entity, EventType, header};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{schema_check::every_event_meets_its_schema, verify};

/// Brings about every declared type of event, and holds what lies in Kafka to the committed schemas.
#[tokio::test(flavor = "multi_thread")]
async fn every_declared_event_type_is_written_and_meets_its_schema() {
    let mut depot = Depot::start_with(&[("UPLOAD_URL_TTL_SECONDS", "2"), ("UPLOAD_GRACE_SECONDS", "1")])
        .await
        .unwrap();
    bring_about_every_type(&mut depot).await;
    verify::quiet(&depot).await;

    let count = every_event_meets_its_schema(&depot).await;
    let missing: Vec<_> = count
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "declared, and never written: {missing:?}");
}

async fn bring_about_every_type(depot: &mut Depot) {
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("a", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    alice
        .patch_item(&item, "1", "b", &json!({"name": "b"}))
        .await
        .unwrap();

    // Rejected.
    let wrong = alice
        .request_upload(&item, "a.bin", 3, &"00".repeat(32))
        .await
        .unwrap()
        .text("id");
    alice.complete_upload(&wrong).await.unwrap();
    // Aborted, and expired.
    let aborted = alice
        .request_upload(&item, "a.bin", 3, &sha256_hex(b"abc"))
        .await
        .unwrap()
        .text("id");
    alice.abort_upload(&aborted).await.unwrap();
    alice
        .request_upload(&item, "a.bin", 3, &sha256_hex(b"abc"))
        .await
        .unwrap();
    // Stored, then removed with its item.
    alice.upload(&item, "a.bin", b"abc".to_vec()).await.unwrap();
    verify::quiet(depot).await;
    wait_until("the item can be deleted", || async {
        let read = alice
            .send(alice.query(&format!("/api/v1/items/{item}")))
            .await
            .unwrap();
        let deleted = alice.delete_item(&item, &read.version().unwrap()).await.unwrap();
        deleted.status.is_success()
    })
    .await;
    wait_until("the file's removal is told", || async {
        let facts = read_topic(&depot.topics().events(Entity::Files)).await.unwrap();
        facts
            .iter()
            .any(|record| record.header(header::TYPE) == EventType::FileRemoved.name())
    })
    .await;
    tell_the_state_once_more(depot).await;
    depot.wait_ready(Service::CommandApi).await;
}

/// Snapshots of the item and of the uploads.
pub async fn tell_the_state_once_more(depot: &Depot) {
    const PATH: &str = "/api/v1/admin/republish";
    let root = depot.client("root", Role::Admin);
    let asked = root.send(root.command(Method::POST, PATH)).await.unwrap();
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.json());
    wait_until("the state is told", || async {
        let run = root.send(root.command(Method::GET, PATH)).await.unwrap();
        run.text("stage") == "done"
    })
    .await;
}
