use depot_end_to_end::{Depot, Service, sha256_hex};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::schema_check::every_event_meets_its_schema;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_becomes_an_event_a_view_and_a_stored_file() {
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);

    let created = alice
        .create_item("k1", &json!({"name": "a bicycle", "tags": ["blue"]}))
        .await
        .unwrap();
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let id = created.text("id");
    assert_eq!(
        created.header("location"),
        Some(format!("{}/api/v1/items/{id}", depot.query_url()).as_str())
    );
    let path = format!("/api/v1/items/{id}");
    let read = alice.read_at_least(&path, "1").await.unwrap();
    assert_eq!(
        (read.status, read.text("name")),
        (StatusCode::OK, "a bicycle".to_owned())
    );

    let replayed = alice
        .create_item("k1", &json!({"name": "a bicycle", "tags": ["blue"]}))
        .await
        .unwrap();
    assert_eq!(replayed.bytes, created.bytes);
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));

    let file: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    let upload = alice.upload(&id, "a.bin", file.clone()).await.unwrap();
    let stored = alice
        .read_at_least(&format!("/api/v1/uploads/{upload}"), "3")
        .await
        .unwrap();
    assert_eq!(stored.text("status"), "stored", "{stored:?}");
    let with_file = alice.read_at_least(&path, "2").await.unwrap().json();
    assert_eq!(with_file["files"][0]["sha256"], json!(sha256_hex(&file)));

    let redirect = alice
        .send(alice.query(&format!("/api/v1/uploads/{upload}/content")))
        .await
        .unwrap();
    assert_eq!(redirect.status, StatusCode::TEMPORARY_REDIRECT);
    let url = redirect.header("location").unwrap().to_owned();
    let downloaded = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    assert_eq!(sha256_hex(&downloaded), sha256_hex(&file));

    let account = alice
        .send(alice.command(Method::GET, "/api/v1/accounts/alice"))
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&account["used_bytes"], &account["reserved_bytes"]),
        (&json!(300_000), &json!(0))
    );

    let deleted = alice.delete_item(&id, "2").await.unwrap();
    assert_eq!(
        (deleted.status, deleted.version().as_deref()),
        (StatusCode::NO_CONTENT, Some("3"))
    );
    let gone = alice.read_at_least(&path, "3").await.unwrap();
    assert_eq!(gone.status, StatusCode::GONE);
    wait_until(
        "the deleted item's file is gone and its quota released",
        || async {
            let account = alice
                .send(alice.command(Method::GET, "/api/v1/accounts/alice"))
                .await
                .unwrap()
                .json();
            let objects: i64 =
                sqlx::query_scalar("SELECT count(*) FROM uploader.objects WHERE state <> 'deleted'")
                    .fetch_one(&depot.database)
                    .await
                    .unwrap();
            account["used_bytes"] == json!(0) && objects == 0
        },
    )
    .await;
    every_event_meets_its_schema(&depot).await;
    assert!(
        depot
            .backing
            .store
            .list(&depot.backing.files, None)
            .await
            .unwrap()
            .objects
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_file_gives_its_quota_back_and_leaves_no_object() {
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");

    // Announced, never sent, and said to be complete.
    let announced = alice
        .request_upload(&item, "a.bin", 5, &"ab".repeat(32))
        .await
        .unwrap();
    let upload = announced.text("id");
    assert!(alice.complete_upload(&upload).await.unwrap().status.is_success());
    let ended = alice
        .read_at_least(&format!("/api/v1/uploads/{upload}"), "3")
        .await
        .unwrap();
    assert_eq!(
        (ended.text("status"), ended.text("reason")),
        ("rejected".into(), "content_missing".into())
    );
    let account = alice
        .send(alice.command(Method::GET, "/api/v1/accounts/alice"))
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&account["used_bytes"], &account["reserved_bytes"]),
        (&json!(0), &json!(0))
    );
    every_event_meets_its_schema(&depot).await;
    assert!(
        depot
            .backing
            .store
            .list(&depot.backing.files, None)
            .await
            .unwrap()
            .objects
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_drains_on_sigterm_and_exits_well() {
    let mut depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    for service in Service::ALL {
        assert!(
            depot.process(service).terminate().await.unwrap(),
            "{} did not end well",
            service.name()
        );
    }
}
