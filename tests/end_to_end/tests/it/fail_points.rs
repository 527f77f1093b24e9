//! The uploader, killed after each await of its work: the outcome is the same, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use depot_end_to_end::{Client, Depot, Scanner, Service, read_topic, sha256_hex};
use depot_schemas::{Entity, header};
use depot_service::auth::Role;
use depot_test_stack::{small_png, wait_until};
use futures::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{schema_check::every_event_meets_its_schema, verify};

/// The files in which an event about an upload is handled, from its arrival to its commit.
const FLOW: [&str; 11] = [
    "answer_again.rs",
    "assemble.rs",
    "conclude.rs",
    "contents.rs",
    "derive_thumbnail.rs",
    "facts.rs",
    "inspect.rs",
    "remove_upload.rs",
    "scan.rs",
    "store_upload.rs",
    "verify.rs",
];
/// Places that hold work at once: each may hold a connection of the database.
const AT_ONCE: usize = 12;
/// A kill finds work at most of the places it waits for; the rest is waited for after the next.
const KILLS: usize = 40;

fn source(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../uploader/src")).join(file)
}

/// The fail points of the flow, as `file:line`.
fn places() -> BTreeSet<String> {
    let of_file = |file: &'static str| {
        let text = fs::read_to_string(source(file)).unwrap();
        let lines = text.lines().enumerate();
        let with_one = lines.filter(|(_, line)| line.contains(".fail_point()"));
        with_one
            .map(|(index, _)| format!("{file}:{}", index + 1))
            .collect::<Vec<_>>()
    };
    FLOW.into_iter().flat_map(of_file).collect()
}

#[test]
fn every_await_of_the_uploaders_flow_has_a_fail_point() {
    for file in FLOW {
        let text = fs::read_to_string(source(file)).unwrap();
        let mut points = 0;
        for (at, _) in text.match_indices(".await") {
            let before = text[..at].trim_end();
            let line = before.lines().count();
            assert!(
                before.ends_with(".fail_point()"),
                "{file}:{line} awaits without a fail point: write `.fail_point().await`"
            );
            points += 1;
        }
        let lines = text.lines().filter(|line| line.contains(".fail_point()")).count();
        assert_eq!(
            points, lines,
            "{file}: one fail point a line, so that each has a name"
        );
        assert!(points > 0, "{file} is part of the flow");
    }
}

/// Uploads of every fate for a new item; answers the item.
async fn feed(client: &Client, round: usize) -> String {
    let created = client
        .create_item(&format!("round-{round}"), &json!({"name": "a"}))
        .await
        .unwrap();
    let item = created.text("id");
    let upload = |n: usize, content: String| {
        let item = item.clone();
        async move {
            let name = format!("file-{n}");
            client.upload(&item, &name, content.into_bytes()).await.unwrap();
        }
    };
    // Contents of their own, and one that many share: of those some copy at the same time, and all but one yield.
    let own = (0..8).map(|n| upload(n, format!("content {round} {n}")));
    let shared = (8..18).map(|n| upload(n, format!("shared in {round}")));
    // With a thumbnail each: of their own, and one that many share.
    let pictures = (0..6).map(|n: u32| {
        let item = item.clone();
        async move {
            let seed = u32::try_from(round).unwrap() * 100 + n.min(3);
            let name = format!("picture-{n}.png");
            client
                .upload_of("image/png", &item, &name, small_png(seed))
                .await
                .unwrap();
        }
    });
    let found = (0..2).map(|n| upload(100 + n, format!("{} {round} {n}", Scanner::FOUND)));
    // Larger than what goes in one piece here.
    let in_parts = (0..4).map(|n| {
        let item = item.clone();
        async move {
            let content = vec![b'a' + n; 2_000];
            let name = format!("in-parts-{round}-{n}");
            let sha256 = sha256_hex(&content);
            let announced = client
                .request_upload(&item, &name, content.len(), &sha256)
                .await
                .unwrap();
            // Of one, nothing arrives.
            if n > 0 {
                client
                    .put_parts(&announced.json(), |_, _| content.clone())
                    .await
                    .unwrap();
            } else {
                client.sign_parts(&announced.text("id"), 1, 1).await.unwrap();
            }
            client.complete_upload(&announced.text("id")).await.unwrap();
        }
    });
    let without_content = (0..4).map(|n| {
        let item = item.clone();
        async move {
            let announced = client
                .request_upload(&item, &format!("none-{n}"), 3, &"ab".repeat(32))
                .await
                .unwrap();
            client.complete_upload(&announced.text("id")).await.unwrap();
        }
    });
    let given_up = (0..4).map(|n| {
        let item = item.clone();
        async move {
            let announced = client
                .request_upload(&item, &format!("given-up-{n}"), 3, &"ab".repeat(32))
                .await
                .unwrap();
            client.abort_upload(&announced.text("id")).await.unwrap();
        }
    });
    tokio::join!(
        join_all(own),
        join_all(shared),
        join_all(in_parts),
        join_all(pictures),
        join_all(found),
        join_all(without_content),
        join_all(given_up)
    );
    item
}

/// Sagas that wait for the uploader ask again at once: some are answered by a receipt that is there.
async fn ask_again(depot: &Depot) {
    sqlx::query(
        "UPDATE command.sagas SET deadline = now()
         WHERE saga = 'upload' AND step IN ('awaiting_file', 'removing') AND deadline IS NOT NULL",
    )
    .execute(&depot.database)
    .await
    .unwrap();
}

/// Those of the places at which work stands, by the uploader's log.
fn reached(depot: &mut Depot, among: &[String]) -> BTreeSet<String> {
    let log = fs::read_to_string(depot.process(Service::Uploader).log_file()).unwrap();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("fail point reached"))
        .collect();
    let stands = |place: &&String| {
        // Whole words, since a line's number may begin another's; `0m` is the end of a colour.
        told.iter().any(|line| {
            line.split(|c: char| !(c.is_alphanumeric() || "_.:".contains(c)))
                .any(|word| word.trim_start_matches("0m") == place.as_str())
        })
    };
    among.iter().filter(stands).cloned().collect()
}

/// Waits until work stands at all of the places, or no more has come to one for a while.
async fn work_stands_at(depot: &mut Depot, places: &[String]) -> BTreeSet<String> {
    let (mut stands, mut since) = (BTreeSet::new(), Instant::now());
    while stands.len() < places.len() && since.elapsed() < Duration::from_secs(6) {
        let now = reached(depot, places);
        if now.len() > stands.len() {
            since = Instant::now();
        }
        stands = now;
        sleep(Duration::from_millis(50)).await;
    }
    stands
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_await_the_uploader_ends_every_upload_once_and_leaves_nothing() {
    let scanner = Scanner::start().await.unwrap();
    let mut depot = Depot::start_with(&[
        ("UPLOAD_CONCURRENCY", "64"),
        ("DATABASE_MAX_CONNECTIONS", "24"),
        // All of a round is asked for at once.
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "14000"),
        ("MULTIPART_OVER_BYTES", "1000"),
        ("SCANNER_ADDR", &scanner.address.to_string()),
        // What stands at a place with its room leaves room for others.
        ("THUMBNAILS_AT_ONCE", "64"),
    ])
    .await
    .unwrap();
    let client = depot.client("alice", Role::Writer);
    let all = places();
    let (mut hits, mut left) = (BTreeMap::new(), all.clone());
    let mut kills = 0;
    depot.process(Service::Uploader).kill().await.unwrap();
    while !left.is_empty() {
        assert!(kills < KILLS, "after {kills} kills no work came to {left:?}");
        let awaited: Vec<_> = left.iter().take(AT_ONCE).cloned().collect();
        let uploader = depot.process(Service::Uploader);
        uploader.set("UPLOADER_FAIL_POINTS", &awaited.join(","));
        uploader.restart().unwrap();
        depot.wait_ready(Service::Uploader).await;
        let item = feed(&client, kills).await;
        ask_again(&depot).await;
        delete_items_but(&depot, &client, &item).await;
        let stands = work_stands_at(&mut depot, &awaited).await;
        depot.process(Service::Uploader).kill().await.unwrap();
        kills += 1;
        for place in stands {
            left.remove(&place);
            hits.insert(place, kills);
        }
    }
    for (place, kill) in &hits {
        println!("kill {kill} at {place}");
    }

    let uploader = depot.process(Service::Uploader);
    uploader.set("UPLOADER_FAIL_POINTS", "");
    uploader.set("SWEEP_INTERVAL_SECONDS", "1");
    uploader.set("SWEEP_GRACE_SECONDS", "5");
    uploader.restart().unwrap();
    depot.wait_ready(Service::Uploader).await;
    // By what was asked already: what was being done at a kill is delivered again.
    while let running @ 1.. = running_sagas(&depot).await {
        wait_until("one more saga has ended", || async {
            running_sagas(&depot).await < running
        })
        .await;
    }
    verify::quiet(&depot).await;
    every_event_meets_its_schema(&depot).await;
    facts_are_told_once(&depot).await;
    quota_is_exact(&depot).await;
    nothing_is_left_over(&depot).await;
    let uploads = count(&depot, "SELECT count(*) FROM command.uploads").await;
    println!("{} fail points, {kills} kills, {uploads} uploads", all.len());
    assert_eq!(hits.len(), all.len());
}

/// So that files are removed too: the last of their content, and one of many.
async fn delete_items_but(depot: &Depot, client: &Client, item: &str) {
    let statement = "SELECT id::text FROM command.items WHERE NOT deleted AND id <> $1::uuid";
    let others: Vec<String> = sqlx::query_scalar(statement)
        .bind(item)
        .fetch_all(&depot.database)
        .await
        .unwrap();
    for id in others {
        let request = client.command(reqwest::Method::DELETE, &format!("/api/v1/items/{id}"));
        let deleted = client.send(request.header("If-Match", "*")).await.unwrap();
        assert!(deleted.status.is_success(), "{deleted:?}");
    }
}

async fn running_sagas(depot: &Depot) -> i64 {
    count(
        depot,
        "SELECT count(*) FROM command.sagas WHERE state NOT IN ('completed', 'compensated')",
    )
    .await
}

async fn count(depot: &Depot, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement)
        .fetch_one(&depot.database)
        .await
        .unwrap()
}

/// Repeats in Kafka have the id and bytes of the first; no fact was decided twice: there are no more facts of a kind
/// than questions that ask for it, and all files stored for an upload are one.
async fn facts_are_told_once(depot: &Depot) {
    let records = read_topic(&depot.topics().events(Entity::Files)).await.unwrap();
    assert!(!records.is_empty());
    let mut first = BTreeMap::new();
    for record in &records {
        let id = record.header(header::ID).to_owned();
        let name = (
            record.key_text().to_owned(),
            record.header(header::AGGREGATE_VERSION).to_owned(),
        );
        let told = first.entry(name).or_insert((id.clone(), record.payload.clone()));
        assert_eq!(*told, (id, record.payload.clone()), "a version told in two ways");
    }
    let twice = count(
        depot,
        "SELECT count(*) FROM (
             SELECT f.aggregate_id FROM uploader.outbox f WHERE f.event_type = 'depot.file.stored.v1'
             GROUP BY 1
             HAVING count(*) > (SELECT count(*) FROM command.outbox q
                                WHERE q.aggregate_id = f.aggregate_id AND q.event_type = 'depot.upload.received.v1')
                 OR count(DISTINCT convert_from(f.payload, 'UTF8')::jsonb->'file'->>'object_key') > 1) AS twice",
    )
    .await;
    assert_eq!(twice, 0, "stored more often than asked, or in two places");
}

async fn quota_is_exact(depot: &Depot) {
    let (used, reserved, attached, thumbnails): (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT used_bytes, reserved_bytes, sum(u.size_bytes)::bigint,
                sum((u.thumbnail->>'size_bytes')::bigint)::bigint
         FROM command.storage_accounts, command.uploads u WHERE u.status = 'stored'
         GROUP BY used_bytes, reserved_bytes",
    )
    .fetch_one(&depot.database)
    .await
    .unwrap();
    assert_eq!((used, reserved), (attached + thumbnails, 0));
    assert!(attached > 0 && thumbnails > 0);
}

async fn nothing_is_left_over(depot: &Depot) {
    wait_until("the buckets hold what is referred to", || async {
        let referred: Vec<String> = sqlx::query_scalar(
            "SELECT object_key FROM uploader.receipts WHERE object_key IS NOT NULL
             UNION SELECT thumbnail_key FROM uploader.receipts WHERE thumbnail_key IS NOT NULL",
        )
        .fetch_all(&depot.database)
        .await
        .unwrap();
        let referred: BTreeSet<_> = referred.into_iter().collect();
        let lying = depot.backing.keys(&depot.backing.files).await.unwrap();
        assert!(referred.is_subset(&lying), "a reference without its object");
        lying == referred
            && depot
                .backing
                .keys(&depot.backing.staging)
                .await
                .unwrap()
                .is_empty()
    })
    .await;
}
