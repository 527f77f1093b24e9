//! Many items at once, through the whole system, and whatever happens to it meanwhile.

use std::collections::BTreeSet;

use depot_end_to_end::{Answer, Client, Depot, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

const LINES: usize = 3_000;

fn import(alice: &Client) -> RequestBuilder {
    let lines: String = (0..LINES)
        .map(|n| format!("{{\"name\": \"item {n}\", \"tags\": [\"imported\"]}}\n"))
        .collect();
    alice
        .command(Method::POST, "/api/v1/items:import")
        .header("Idempotency-Key", "catalogue")
        .header("Content-Type", "application/x-ndjson")
        .body(lines)
}

/// The lines of an answer, and the last one.
fn lines(answer: &Answer) -> (Vec<Value>, Value) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let end = lines.pop().unwrap();
    (lines, end)
}

fn ids<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<&'a str> {
    items.map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_service_was_killed_is_sent_again_and_each_item_is_there_once_to_its_export() {
    let mut depot = Depot::start_with(&[("RATE_LIMIT_PER_SECOND", "0")])
        .await
        .unwrap();
    let alice = depot.client("alice", Role::Writer);
    let cut_off = tokio::spawn(import(&alice).send());
    wait_until("some lines are done", || async {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM command.items")
            .fetch_one(&depot.database)
            .await
            .unwrap();
        count > 0
    })
    .await;
    depot.process(Service::CommandApi).kill().await.unwrap();
    let cut_off = cut_off.await.unwrap();
    println!("the answer that was cut off began: {}", cut_off.is_ok());
    depot.process(Service::CommandApi).restart().unwrap();
    depot.wait_ready(Service::CommandApi).await;

    let again = alice.send(import(&alice)).await.unwrap();
    let (outcomes, end) = lines(&again);
    assert_eq!(end, json!({"end": true, "lines": LINES, "created": LINES}));
    let replayed = outcomes
        .iter()
        .filter(|outcome| outcome["replayed"] == true)
        .count();
    println!("{replayed} of {LINES} lines had been done");
    assert!(replayed > 0);
    let created = ids(outcomes.iter().map(|outcome| &outcome["item"]));
    let distinct: BTreeSet<_> = created.iter().copied().collect();
    assert_eq!(distinct.len(), LINES);

    // Each of them, and no other, comes to the views, once.
    let export = "/api/v1/items:export?owner=alice&tag=imported";
    wait_until("all items are in the views", || async {
        let answer = alice.send(alice.query(export)).await.unwrap();
        lines(&answer).1["count"].as_u64() >= Some(LINES as u64)
    })
    .await;
    let exported = alice.send(alice.query(export)).await.unwrap();
    let (exported, end) = lines(&exported);
    assert_eq!(end, json!({"end": true, "count": LINES}));
    let exported = ids(exported.iter().filter(|line| line.get("after").is_none()));
    assert_eq!(exported.len(), LINES);
    assert_eq!(exported.into_iter().collect::<BTreeSet<_>>(), distinct);
}
