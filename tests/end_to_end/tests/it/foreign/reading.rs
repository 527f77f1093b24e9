//! Consumers that are killed under load, and told what a log may hold, have the items that the views have.

use std::collections::{BTreeMap, HashMap};

use depot_end_to_end::{Depot, LogRecord, produce_raw, read_topic};
use depot_schemas::{Entity, header};
use depot_service::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::consumer::{Consumer, Item, Kept, Language};
use crate::{contracts::tell_the_state_once_more, load::Load, long::is_left_out, verify};

const KILLS: usize = 3;
/// Changes that a consumer has to hear before each kill.
const BETWEEN: i64 = 20;
/// Why a reader cannot take some of what is told to it, sorted.
const NOT_TAKEN: [&str; 3] = [
    "depot.item.updated.v2 is a version that is not known here",
    "it is a CloudEvent of version",
    "its value is no JSON",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_in_python_that_is_killed_has_each_change_once() {
    if !is_left_out("the consumer in Python") {
        follows_through_kills(Language::Python).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_in_java_that_is_killed_has_each_change_once() {
    if !is_left_out("the consumer in Java") {
        follows_through_kills(Language::Java).await;
    }
}

async fn follows_through_kills(language: Language) {
    let depot = Depot::start_with(&[("RATE_LIMIT_PER_SECOND", "0")])
        .await
        .unwrap();
    let alice = depot.client("alice", Role::Writer);
    let load = Load::start(&alice);
    let mut consumer = Consumer::start(language, &depot);
    let mut heard = 0;
    for _ in 0..KILLS {
        // The load goes on until the last kill is over, so each one meets it within what it has to do.
        consumer
            .wait_until("it hears more", |kept| kept.heard() >= heard + BETWEEN)
            .await;
        heard = consumer.kill().await.heard();
        consumer.restart();
    }
    let acknowledged = load.stop().await;
    let newest: Vec<(String, i64)> = {
        let items = acknowledged.items.lock().unwrap();
        let newest = items.iter().map(|(id, (version, _))| (id.clone(), *version));
        newest.take(3).collect()
    };
    for (id, version) in &newest {
        let deleted = alice.delete_item(id, &version.to_string()).await.unwrap();
        assert_eq!(deleted.status, 204, "{deleted:?}");
    }
    verify::quiet(&depot).await;
    let views = items_of_the_views(&depot).await;
    let kept = consumer
        .wait_until("it has what the views have", |kept| kept.items == views)
        .await;
    for (id, item) in &kept.items {
        assert_eq!(kept.changes[id], item.version, "changes heard of {id}");
    }
    assert!(kept.items.values().any(|item| item.files > 0) && kept.items.values().any(|item| item.deleted));
    assert!(kept.set_aside.is_empty(), "{:?}", kept.set_aside);

    tell_the_state_once_more(&depot).await;
    let (gone, set_back) = (&newest[0].0, &newest[1].0);
    tell_what_a_log_may_hold(&depot, gone, set_back).await;
    verify::quiet(&depot).await;
    let views = items_of_the_views(&depot).await;
    assert_eq!((views[set_back].epoch, views[set_back].version), (1, 1));
    let is_there = |now: &Kept| now.items == views && now.set_aside.len() == NOT_TAKEN.len();
    let after = consumer.wait_until("it has all of it", is_there).await;
    let mut changes = kept.changes;
    *changes.get_mut(set_back).unwrap() += 1;
    assert_eq!(after.changes, changes, "repeats and snapshots are no changes");
    for (reason, expected) in after.set_aside.iter().zip(NOT_TAKEN) {
        assert!(reason.starts_with(expected), "{reason}");
    }

    // Who comes late reads the same log to the same end.
    let mut late = Consumer::start(language, &depot);
    let kept = late.wait_until("a second one has all of it", is_there).await;
    assert_eq!(kept, after);
}

/// Repeats, what a reader has to pass over or cannot take, and a change of a later epoch with one that came before it.
async fn tell_what_a_log_may_hold(depot: &Depot, gone: &str, set_back: &str) {
    let topic = depot.topics().events(Entity::Items);
    let told = read_topic(&topic).await.unwrap();
    let of = |id: &str| -> Vec<&LogRecord> {
        let of_it = told.iter().filter(|record| record.key_text() == id);
        of_it.collect()
    };
    // Among them the creation of an item that is deleted.
    for record in of(gone) {
        produce(&topic, record, &[], &record.payload).await;
    }

    let events = of(set_back);
    let last = events.last().unwrap();
    let update = "depot.item.updated.v1";
    for (event_type, version) in [("depot.item.painted.v1", 900), ("depot.item.updated.v2", 901)] {
        let payload = with_version(last, version).to_string();
        let version = version.to_string();
        produce(&topic, last, &headers(event_type, &version), payload.as_bytes()).await;
    }
    produce(&topic, last, &headers(update, "902"), b"this is no JSON").await;
    // Of a type that Depot does not know either.
    let other_envelope = [
        (header::SPEC_VERSION, "0.3"),
        (header::TYPE, "depot.item.painted.v1"),
    ];
    produce(&topic, last, &other_envelope, &last.payload).await;

    // As after the database was set back, by a writer that is newer than this reader.
    let mut later = with_version(last, 1);
    later["item"]["name"] = json!("of a later epoch");
    later["item"]["deleted"] = json!(false);
    later["item"]["colour"] = json!("not known here");
    later["weather"] = json!({"not": "known here"});
    let later_epoch = [
        (header::TYPE, update),
        (header::AGGREGATE_VERSION, "1"),
        (header::RESTORE_EPOCH, "1"),
        ("ce_weather", "not known here"),
    ];
    produce(&topic, last, &later_epoch, later.to_string().as_bytes()).await;
    // Late, of the epoch that is over, in a version above all.
    let over = with_version(last, 903).to_string();
    produce(&topic, last, &headers(update, "903"), over.as_bytes()).await;
}

fn headers<'a>(event_type: &'a str, version: &'a str) -> [(&'static str, &'a str); 2] {
    [(header::TYPE, event_type), (header::AGGREGATE_VERSION, version)]
}

fn with_version(record: &LogRecord, version: i64) -> Value {
    let mut data: Value = serde_json::from_slice(&record.payload).unwrap();
    data["item"]["version"] = json!(version);
    data
}

/// A record once more with other headers, and then as an event of its own; with none it is a repeat.
async fn produce(topic: &str, record: &LogRecord, headers: &[(&str, &str)], payload: &[u8]) {
    let id = Uuid::now_v7().to_string();
    let mut all: HashMap<&str, &str> = record
        .headers
        .keys()
        .map(|name| (name.as_str(), record.header(name)))
        .collect();
    if !headers.is_empty() {
        all.insert(header::ID, &id);
    }
    all.extend(headers.iter().copied());
    let all: Vec<_> = all.into_iter().collect();
    produce_raw(topic, Some(record.key_text()), &all, payload)
        .await
        .unwrap();
}

type Row = (String, i32, i64, String, String, Vec<String>, String, i32, bool);

async fn items_of_the_views(depot: &Depot) -> BTreeMap<String, Item> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id::text, epoch, version, name, description, tags, status, jsonb_array_length(files), deleted
         FROM read.items WHERE projection = (SELECT projection FROM read.active_projection)",
    )
    .fetch_all(&depot.database)
    .await
    .unwrap();
    let item = |(id, epoch, version, name, description, tags, status, files, deleted): Row| {
        let item = Item {
            epoch: epoch.into(),
            version,
            name,
            description,
            tags,
            status,
            files: usize::try_from(files).unwrap(),
            deleted,
        };
        (id, item)
    };
    rows.into_iter().map(item).collect()
}
