//! The state told to the log once more.

use std::collections::BTreeMap;

use command_api::{
    republish::{LogScan, RepublishOutcome, Republisher},
    store::republish,
};
use depot_schemas::topics::Topics;
use depot_service::auth::Role;
use depot_test_stack::{settings, wait_until};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    admin::audit,
    service::{Service, token},
};

/// Another process's.
fn republisher(service: &Service) -> Republisher {
    let log = LogScan::new(settings().kafka_brokers(), &[]);
    Republisher::new(service.writer.clone(), log, Topics::new("depot"))
}

/// Aggregate, version, id, bytes and headers of a snapshot.
type Snapshot = (Uuid, i64, Uuid, Vec<u8>, String);

/// Those in the outbox, in the order in which they were told.
async fn snapshots(service: &Service) -> Vec<Snapshot> {
    sqlx::query_as(
        "SELECT aggregate_id, aggregate_version, event_id, payload, headers FROM command.outbox
         WHERE event_type LIKE '%.snapshot.v1' ORDER BY id",
    )
    .fetch_all(&service.pool)
    .await
    .unwrap()
}

async fn items(service: &Service, count: i32) {
    sqlx::query(
        "INSERT INTO command.items (id, owner, name, description, tags, attributes, status, version, created_at,
                                    updated_at)
         SELECT gen_random_uuid(), 'alice', 'item ' || n, '', '{}', '{}', 'draft', n, now(), now()
         FROM generate_series(1, $1) n",
    )
    .bind(count)
    .execute(&service.pool)
    .await
    .unwrap();
}

async fn done(service: &Service) -> Value {
    let read = || async {
        let read = service.by_admin("GET", "/api/v1/admin/republish").send().await;
        read.expect(200).json()
    };
    wait_until("the run is at its end", || async {
        read().await["stage"] == "done"
    })
    .await;
    read().await
}

#[tokio::test]
async fn every_item_and_upload_is_told_once_deleted_ones_too_and_the_audit_says_by_whom() {
    let service = Service::start().await;
    let (kept, deleted) = (service.item("alice").await, service.item("alice").await);
    service.delete_item("alice", deleted).await;
    let upload = service.upload_request("alice", kept, 10).send().await;
    let upload: Uuid = upload.expect(201).text("id").parse().unwrap();

    let begun = service.by_admin("POST", "/api/v1/admin/republish").send().await;
    let begun = begun.expect(202).json();
    assert_eq!(
        (&begun["reason"], &begun["requested_by"]),
        (&"asked".into(), &"root".into())
    );
    let run = done(&service).await;
    assert_eq!(run["run_id"], begun["run_id"]);
    assert_eq!(
        (&run["items"], &run["uploads"], &run["lost"]),
        (&2.into(), &1.into(), &0.into())
    );
    assert!(run["finished_at"].is_string());

    let told = snapshots(&service).await;
    let versions: BTreeMap<Uuid, i64> = told.iter().map(|(id, version, ..)| (*id, *version)).collect();
    assert_eq!(versions, BTreeMap::from([(kept, 1), (deleted, 2), (upload, 1)]));
    assert_eq!(told.len(), 3);
    let data: Value = serde_json::from_slice(&told.iter().find(|one| one.0 == deleted).unwrap().3).unwrap();
    assert_eq!(
        (&data["item"]["deleted"], &data["actor"]),
        (&true.into(), &"republish".into())
    );
    let audit = audit(&service).await;
    let run_id = begun["run_id"].as_str().unwrap();
    assert_eq!(
        audit,
        [("root".to_owned(), "log.republish".to_owned(), run_id.to_owned())]
    );

    // The same again is a repeat: the same ids and bytes.
    service
        .by_admin("POST", "/api/v1/admin/republish")
        .send()
        .await
        .expect(202);
    wait_until("it is told again", || async {
        snapshots(&service).await.len() == 6
    })
    .await;
    let again = snapshots(&service).await;
    let (first, second) = again.split_at(3);
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_run_goes_on_behind_the_last_page_that_was_told() {
    let service = Service::start().await;
    items(&service, 450).await;
    let mut unseen = service.pool.begin().await.unwrap();
    assert!(
        republish::begin(&mut unseen, Uuid::now_v7(), "root")
            .await
            .unwrap()
    );
    assert!(
        !republish::begin(&mut unseen, Uuid::now_v7(), "root")
            .await
            .unwrap(),
        "one at a time"
    );
    // As a process has left it that was killed after its first page.
    let last: Uuid = sqlx::query_scalar(
        "UPDATE command.republish SET items = 200, holder = gen_random_uuid(), expires_at = now() + interval '1 second',
             after_id = (SELECT id FROM command.items ORDER BY id OFFSET 199 LIMIT 1)
         RETURNING after_id",
    )
    .fetch_one(&mut *unseen)
    .await
    .unwrap();
    unseen.commit().await.unwrap();

    assert_eq!(done(&service).await["items"], 450);
    let ids: Vec<Uuid> = snapshots(&service).await.iter().map(|one| one.0).collect();
    assert_eq!(ids.len(), 250);
    assert!(
        ids[0] > last && ids.is_sorted_by(|a, b| a < b),
        "each once, in the order of their ids"
    );
    assert_eq!(
        republisher(&service).step().await.unwrap(),
        RepublishOutcome::Idle
    );
}

#[tokio::test]
async fn a_run_waits_while_kafka_does_not_keep_up() {
    let service = Service::start().await;
    service.item("alice").await;
    sqlx::query(
        "INSERT INTO command.outbox (occurred_at, aggregate_version, aggregate_id, event_id, shard, topic, event_type,
                                     headers, payload)
         SELECT now(), 1, gen_random_uuid(), gen_random_uuid(), n % 64, 't', 'e', '', '' FROM generate_series(1, 10000) n",
    )
    .execute(&service.pool)
    .await
    .unwrap();
    let mut conn = service.pool.acquire().await.unwrap();
    assert!(republish::begin(&mut conn, Uuid::now_v7(), "root").await.unwrap());
    assert_eq!(
        republisher(&service).step().await.unwrap(),
        RepublishOutcome::OutboxFull
    );
    assert!(snapshots(&service).await.is_empty());
    sqlx::query("DELETE FROM command.outbox WHERE topic = 't'")
        .execute(&service.pool)
        .await
        .unwrap();
    assert_eq!(done(&service).await["items"], 1);
}

#[tokio::test]
async fn a_snapshot_carries_the_restore_epoch() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    sqlx::query("UPDATE command.restore_epoch SET epoch = 7")
        .execute(&service.pool)
        .await
        .unwrap();
    let mut conn = service.pool.acquire().await.unwrap();
    assert!(republish::begin(&mut conn, Uuid::now_v7(), "root").await.unwrap());
    wait_until("the item is told", || async {
        !snapshots(&service).await.is_empty()
    })
    .await;
    let told = snapshots(&service).await;
    let (id, version, _, _, headers) = &told[0];
    assert_eq!((*id, *version), (item, 1));
    assert!(headers.contains("ce_restoreepoch=7"), "{headers}");
}

#[tokio::test]
async fn only_an_admin_has_the_state_told() {
    let service = Service::start().await;
    let writer = token("alice", &[Role::Writer]);
    let refused = service
        .bare("POST", "/api/v1/admin/republish")
        .token(&writer)
        .send()
        .await;
    refused.expect_problem(403, "forbidden");
    let mut conn = service.pool.acquire().await.unwrap();
    assert_eq!(republish::status(&mut conn).await.unwrap().run_id, None);
}
