use std::collections::{BTreeMap, HashMap};

use depot_end_to_end::{Backing, Depot, OwnKafka, Service, read_topic_on, sha256_hex};
use depot_schemas::{Entity, header};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::Value;
use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    WRITERS, create, load, rename, run, start, stop, tell, tool, views_become_the_state, wait_long_until,
};
use crate::{long::is_left_out, verify::unpublished};

/// Items whose events nobody has any more: so many pages that a run can be met in their middle.
const FORGOTTEN_ITEMS: i32 = 3_000;

/// As commands write them, long ago.
async fn plant_items(database: &PgPool) {
    sqlx::query(
        "INSERT INTO command.items (id, owner, name, description, tags, attributes, status, files, version, created_at,
                                    updated_at, deleted)
         SELECT gen_random_uuid(), 'old', 'item ' || n, '', ARRAY['old'], '{}', 'active', '[]', 1 + n % 3,
                now() - interval '30 days', now() - interval '20 days', n % 10 = 0
         FROM generate_series(1, $1) n",
    )
    .bind(FORGOTTEN_ITEMS)
    .execute(database)
    .await
    .unwrap();
}

async fn all_is_published(database: &PgPool) {
    for schema in ["command", "uploader"] {
        wait_until("the outbox is published", || async {
            unpublished(database, schema).await == 0
        })
        .await;
    }
}

/// What the outboxes hold went with their oldest partitions.
async fn forget_outboxes(database: &PgPool) {
    for statement in ["DELETE FROM command.outbox", "DELETE FROM uploader.outbox"] {
        sqlx::query(statement).execute(database).await.unwrap();
    }
}

/// Kills command-api while the run stands in the middle of the items, and lets another one go on.
async fn kill_in_the_middle(depot: &mut Depot, database: &PgPool) {
    let middle: Uuid = sqlx::query_scalar("SELECT id FROM command.items ORDER BY id OFFSET $1 LIMIT 1")
        .bind(i64::from(FORGOTTEN_ITEMS / 2))
        .fetch_one(database)
        .await
        .unwrap();
    let mut held = database.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items WHERE id = $1 FOR UPDATE")
        .bind(middle)
        .execute(&mut *held)
        .await
        .unwrap();
    depot.process(Service::CommandApi).restart().unwrap();
    wait_long_until("the run waits for the item that is held", || async {
        let run = run(database).await;
        run["items"].as_i64() >= Some(200)
    })
    .await;
    depot.process(Service::CommandApi).kill().await.unwrap();
    let before = run(database).await;
    assert_eq!(before["stage"], "items", "{before}");
    held.rollback().await.unwrap();
    depot.process(Service::CommandApi).restart().unwrap();
    depot.wait_ready(Service::CommandApi).await;
}

/// By item and version the ids and bytes of its snapshots in the log.
async fn snapshots(brokers: &str, topic: &str) -> BTreeMap<(String, String), Vec<(String, Vec<u8>)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in read_topic_on(brokers, topic).await.unwrap() {
        if record.header(header::TYPE).ends_with(".snapshot.v1") {
            let version = record.header(header::AGGREGATE_VERSION).to_owned();
            let told = (record.header(header::ID).to_owned(), record.payload.clone());
            found
                .entry((record.key_text().to_owned(), version))
                .or_default()
                .push(told);
        }
    }
    found
}

async fn offsets(database: &PgPool) -> HashMap<(String, i32), i64> {
    let rows: Vec<(String, i32, i64)> =
        sqlx::query_as("SELECT topic, partition, next_offset FROM read.offsets WHERE projection = 1")
            .fetch_all(database)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(topic, partition, next)| ((topic, partition), next))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_kafka_has_lost_everything_the_views_are_what_the_state_is() {
    if is_left_out("the loss of the log") {
        return;
    }
    let kafka = OwnKafka::start().await.unwrap();
    let brokers = kafka.gate.address().to_owned();
    let backing = Backing::create_on_brokers(&brokers).await.unwrap();
    let owner = backing.database.owner_url();
    let mut depot = Depot::start_on(backing, &[("SAGA_SWEEP_ENABLED", "false")])
        .await
        .unwrap();
    let database = depot.database.clone();
    let alice = depot.client("alice", Role::Writer);

    // Old things, of which the outboxes have nothing any more; one was never projected.
    load(&alice).await;
    let (gone, version) = create(&alice, "to be deleted").await;
    assert_eq!(
        alice.delete_item(&gone, &version).await.unwrap().status.as_u16(),
        204
    );
    views_become_the_state(&database).await;
    stop(&mut depot, &[Service::Projector]).await;
    let (unseen, _) = create(&alice, "that no view has").await;
    all_is_published(&database).await;
    forget_outboxes(&database).await;
    plant_items(&database).await;
    // Late things: acknowledged by the log that goes, and heard by nobody.
    stop(&mut depot, &[Service::Uploader]).await;
    let (late, version) = create(&alice, "late").await;
    rename(&alice, &late, &version, "later").await;
    let file = b"in flight".to_vec();
    let upload = alice.upload(&late, "a.bin", file.clone()).await.unwrap();
    let (unsent, _) = create(&alice, "with a file that is sent later").await;
    let announced = alice
        .request_upload(&unsent, "b.bin", file.len(), &sha256_hex(&file))
        .await
        .unwrap();
    all_is_published(&database).await;
    let before = offsets(&database).await;
    stop(&mut depot, &[Service::CommandApi]).await;

    let begun = Instant::now();
    kafka.lose_everything().await.unwrap();
    tell("Kafka lost and started anew", begun);
    let begun = Instant::now();
    tool(&depot, &owner, &["topics"], 0).await;
    let looked = tool(&depot, &owner, &["log", "restart", "--dry-run", "--json"], 0).await;
    let looked: Value = serde_json::from_str(&looked).unwrap();
    assert_eq!(looked["is_lost"], true, "{looked}");
    tool(&depot, &owner, &["log", "restart"], 0).await;
    let again = tool(&depot, &owner, &["log", "restart"], 3).await;
    assert!(again.contains("inside its log"), "{again}");
    kill_in_the_middle(&mut depot, &database).await;
    start(&mut depot, &[Service::Projector, Service::Uploader]).await;
    let shown = tool(&depot, &owner, &["log", "show", "--json"], 0).await;
    assert!(shown.contains("log_lost"), "{shown}");

    // It goes on beside commands.
    load(&alice).await;
    let put = alice.put_presigned(&announced.json(), file).await.unwrap();
    assert!(put.status.is_success(), "{put:?}");
    let sent = announced.text("id");
    assert!(alice.complete_upload(&sent).await.unwrap().status.is_success());
    views_become_the_state(&database).await;
    tell("the views are what the state is, after", begun);

    for id in [&upload, &sent] {
        let seen = alice
            .send(alice.query(&format!("/api/v1/uploads/{id}")))
            .await
            .unwrap();
        assert_eq!(seen.json()["status"], "stored", "{seen:?}");
    }
    let seen = alice
        .send(alice.query(&format!("/api/v1/items/{unseen}")))
        .await
        .unwrap();
    assert_eq!(seen.text("name"), "that no view has");
    // Streams go on where they were: no place in the log comes twice.
    let after = offsets(&database).await;
    assert!(
        before.iter().all(|(place, next)| after[place] >= *next),
        "{before:?} {after:?}"
    );

    // Whoever made it: the snapshot of a version is one event.
    let topic = depot.topics().events(Entity::Items);
    let first = snapshots(&brokers, &topic).await;
    assert!(first.len() > FORGOTTEN_ITEMS as usize, "{}", first.len());
    assert!(
        first.values().all(|told| told.len() == 1),
        "told twice by one run"
    );
    tool(&depot, &owner, &["log", "republish"], 0).await;
    all_is_published(&database).await;
    let second = snapshots(&brokers, &topic).await;
    let is_repeat = |told: &Vec<(String, Vec<u8>)>| told.iter().all(|one| *one == told[0]);
    assert!(
        second.values().all(is_repeat),
        "a repeat with another id or other bytes"
    );
    assert!(second.values().any(|told| told.len() > 1));
    views_become_the_state(&database).await;

    for service in WRITERS {
        assert!(
            depot.process(service).ended().unwrap().is_none(),
            "{service:?} runs"
        );
    }
}
