//! `depot trace` as an operator uses it, on a running system.

mod away;
mod names;
mod waiting;

use depot_end_to_end::{Depot, LogRecord, read_topic};
use depot_service::auth::Role;
use depot_test_stack::{eventually, wait_until};
use serde_json::{Value, json};

const SETTLED: i32 = 0;
const NOT_ALL_SEEN: i32 = 1;
const NOT_THERE: i32 = 3;
const ON_ITS_WAY: i32 = 5;
const STUCK: i32 = 6;

/// What the tool says: its exit code, and what it printed. It needs no token.
async fn said(depot: &Depot, arguments: &[&str], more: &[(&str, &str)]) -> (i32, String) {
    let tool = depot.start_tool(&[&["trace"], arguments].concat(), more).unwrap();
    let output = tool.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), format!("{text}{errors}"))
}

/// The same by `--json`, in which the exit code is told too.
async fn told(depot: &Depot, arguments: &[&str], more: &[(&str, &str)]) -> (i32, Value) {
    let (code, text) = said(depot, &[arguments, &["--json"]].concat(), more).await;
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("exit code {code}: {text}"));
    assert_eq!(report["exit_code"], code, "{report}");
    (code, report)
}

/// What is told once it ends with that exit code.
async fn told_when(depot: &Depot, arguments: &[&str], wanted: i32) -> Value {
    eventually(&format!("{arguments:?} ends with {wanted}"), || async {
        let (code, report) = told(depot, arguments, &[]).await;
        (code == wanted).then_some(report)
    })
    .await
}

/// The hop of the first thing that was found whose name begins like that.
fn hop<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hops = report["found"][0]["hops"].as_array();
    let found = hops.and_then(|hops| {
        let mut hops = hops.iter();
        hops.find(|hop| hop["hop"].as_str().is_some_and(|hop| hop.starts_with(name)))
    });
    found.unwrap_or_else(|| panic!("no hop {name} in {report:#}"))
}

fn verdict(report: &Value) -> &Value {
    &report["found"][0]["verdict"]
}

/// `(hop, state)` of all that is not done.
fn not_done(report: &Value) -> Vec<(&str, &str)> {
    let hops = report["found"][0]["hops"].as_array().unwrap();
    assert!(hops.iter().all(|hop| hop["detail"] != ""), "{report:#}");
    hops.iter()
        .filter(|hop| hop["state"] != "done")
        .map(|hop| (hop["hop"].as_str().unwrap(), hop["state"].as_str().unwrap()))
        .collect()
}

/// The events of a key in a topic, as they lie there.
async fn events_of(topic: &str, key: &str) -> Vec<LogRecord> {
    let all = read_topic(topic).await.unwrap();
    all.into_iter()
        .filter(|record| record.key_text() == key)
        .collect()
}

/// That the hop of the event's topic tells where this record lies.
fn assert_lies(hop: &Value, record: &LogRecord) {
    assert_eq!(
        (
            &hop["partition"],
            &hop["offset"],
            hop["event_id"].as_str().unwrap()
        ),
        (
            &json!(record.partition),
            &json!(record.offset),
            record.header("ce_id")
        ),
        "{hop}"
    );
}

async fn item(depot: &Depot, key: &str) -> String {
    let alice = depot.client("alice", Role::Writer);
    let answer = alice.create_item(key, &json!({"name": "a"})).await.unwrap();
    assert!(answer.status.is_success(), "{answer:?}");
    answer.text("id")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_settled_has_passed_every_hop() {
    let depot = Depot::start().await.unwrap();
    let topics = depot.topics();
    let item = item(&depot, "k").await;
    let report = told_when(&depot, &[&item], SETTLED).await;
    assert_eq!(not_done(&report), []);
    assert_eq!(report["found"][0]["kind"], "item");
    assert_eq!(hop(&report, "state ")["version"], 1);
    assert_eq!(hop(&report, "outbox (command-api)")["waiting_rows"], 0);
    let items = topics.events(depot_schemas::Entity::Items);
    let created = &events_of(&items, &item).await[0];
    assert_lies(hop(&report, &format!("topic {items}")), created);
    let projector = hop(&report, &format!("group {}", topics.group("projector")));
    assert!(
        projector["next_offset"].as_i64().unwrap() > created.offset && projector["behind"] == 0,
        "{projector}"
    );
    assert_eq!(hop(&report, "view read.items")["history_rows"], 1);
    assert_eq!(hop(&report, "cache (Redis)")["version"], 1);
    assert_eq!(verdict(&report)["standing"], "settled");

    let alice = depot.client("alice", Role::Writer);
    let upload = alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    // A report looks at one store after the other, and may see the state as it was a moment before the saga ended.
    let seen = alice
        .read_at_least(&format!("/api/v1/items/{item}"), "2")
        .await
        .unwrap();
    assert!(seen.status.is_success(), "{seen:?}");
    let report = told_when(&depot, &[&upload], SETTLED).await;
    assert_eq!(not_done(&report), []);
    assert_eq!(hop(&report, "state ")["status"], "stored");
    let uploads = events_of(&topics.events(depot_schemas::Entity::Uploads), &upload).await;
    assert_lies(
        hop(
            &report,
            &format!("topic {}", topics.events(depot_schemas::Entity::Uploads)),
        ),
        uploads.last().unwrap(),
    );
    let files = topics.events(depot_schemas::Entity::Files);
    let stored = &events_of(&files, &upload).await[0];
    assert_lies(hop(&report, &format!("topic {files}")), stored);
    let receipt = hop(&report, "receipt");
    assert_eq!(
        (&receipt["outcome"], &receipt["object_state"]),
        (&json!("stored"), &json!("live"))
    );
    assert_eq!(hop(&report, "saga upload")["step"], "attached");
    let (code, text) = said(&depot, &[&upload], &[]).await;
    assert!(
        code == SETTLED && text.contains("nothing is waited for") && text.contains("s ago)"),
        "{code}: {text}"
    );

    // Its file goes with the item: the saga of the deletion is one more hop.
    let version = alice
        .read_at_least(&format!("/api/v1/items/{item}"), "2")
        .await
        .unwrap()
        .version()
        .unwrap();
    assert!(
        alice
            .delete_item(&item, &version)
            .await
            .unwrap()
            .status
            .is_success()
    );
    wait_until("the deletion is at its end", || async {
        let (_, report) = told(&depot, &[&item], &[]).await;
        let hops = report["found"][0]["hops"].as_array().unwrap();
        hops.iter()
            .any(|hop| hop["hop"] == "saga item_deletion" && hop["step"] == "completed")
    })
    .await;
    let report = told_when(&depot, &[&item], SETTLED).await;
    assert_eq!(hop(&report, "state ")["status"], "deleted");
    assert_eq!(not_done(&report), []);
}
