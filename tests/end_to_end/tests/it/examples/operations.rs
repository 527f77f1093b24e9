//! docs/operations.md: streams that go on, what an operator does, views that are built anew.

use crate::long::is_left_out;
use depot_end_to_end::{Depot, produce_raw};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::{eventually, wait_until};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{
    page::{blocks, marked},
    shell::Shell,
};
use crate::verify;

const PAGE: &str = "docs/operations.md";
/// Of an item and of an aggregate that there are not.
const ID: &str = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_behind_its_last_id_as_the_page_says() {
    if is_left_out("the examples of docs/operations.md") {
        return;
    }
    let depot = Depot::start().await.unwrap();
    let said = Shell::on(&depot).run(PAGE, &marked(PAGE, "tested: stream")).await;
    assert!(said.contains("A blue bicycle"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_sagas_and_the_outbox_are_dealt_with_as_the_page_says() {
    if is_left_out("the examples of docs/operations.md") {
        return;
    }
    let depot = Depot::start().await.unwrap();
    let upload = stuck_upload(&depot).await;
    let park = format!(
        "INSERT INTO command.outbox_parked_aggregates (aggregate_id, shard, reason) VALUES ('{ID}', 55, 'too large')"
    );
    sqlx::raw_sql(AssertSqlSafe(park))
        .execute(&depot.database)
        .await
        .unwrap();
    let letter = letter(&depot).await;

    let mut shell = Shell::on(&depot);
    shell.set("GROUP", depot.topics().group("saga"));
    shell.set("LETTER", &*letter);
    shell.set("KEY", ID);
    shell.set("UPLOAD", &*upload);
    shell.set("AGGREGATE", ID);
    let said = shell.run(PAGE, &marked(PAGE, "tested: operators")).await;
    for part in [&*letter, "no JSON", &*upload, "1 letter"] {
        assert!(said.contains(part), "{part} is not told:\n{said}");
    }
    let audited: Vec<String> = sqlx::query_scalar("SELECT DISTINCT action FROM command.audit ORDER BY 1")
        .fetch_all(&depot.database)
        .await
        .unwrap();
    for action in ["dlq.discard", "dlq.redrive", "outbox.resume", "saga.resume"] {
        assert!(audited.iter().any(|done| done == action), "{action}: {audited:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_at_work_is_asked_for_as_the_page_says() {
    if is_left_out("the examples of docs/operations.md") {
        return;
    }
    let depot = Depot::start().await.unwrap();
    let mut shell = Shell::on(&depot);
    shell.set("TOKEN", depot.token("olivia", Role::Admin));
    let said = shell.run(PAGE, &marked(PAGE, "tested: pipeline")).await;
    assert!(
        said.contains("\"stages\"") && said.contains("\"outbox\""),
        "{said}"
    );
}

/// An upload that is over, in a saga that is said to be stuck.
async fn stuck_upload(depot: &Depot) -> String {
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let upload = alice
        .request_upload(&item, "a.bin", 3, &depot_end_to_end::sha256_hex(b"abc"))
        .await
        .unwrap()
        .text("id");
    alice.abort_upload(&upload).await.unwrap();
    // What the uploader answers would end it once more.
    wait_until("the uploader has heard of it", || async {
        let receipts = "SELECT count(*) FROM uploader.receipts WHERE upload_id = $1::uuid";
        let receipts: i64 = sqlx::query_scalar(receipts)
            .bind(&upload)
            .fetch_one(&depot.database)
            .await
            .unwrap();
        receipts == 1
    })
    .await;
    verify::quiet(depot).await;
    wait_until("all groups have read all that there is", || async {
        let behind = ["doctor", "--part", "lag", "--patience", "0"];
        depot.tool(&behind).await.unwrap().status.success()
    })
    .await;
    sqlx::query("UPDATE command.sagas SET state = 'stuck', step = 'removing' WHERE saga_id = $1::uuid")
        .bind(&upload)
        .execute(&depot.database)
        .await
        .unwrap();
    upload
}

/// The name of the saga's letter about a message that is no event.
async fn letter(depot: &Depot) -> String {
    let headers = [
        ("ce_type", "depot.item.deleted.v1"),
        ("ce_subject", ID),
        ("ce_id", ID),
        ("ce_time", "2026-01-01T00:00:00Z"),
        ("ce_aggregateversion", "1"),
        ("ce_causationid", ID),
    ];
    let source = depot.topics().events(Entity::Items);
    produce_raw(&source, Some(ID), &headers, b"no JSON")
        .await
        .unwrap();
    let token = depot.token("olivia", Role::Admin);
    eventually("both groups that read it have given it up", || async {
        let list = ["dlq", "list", "--key", ID, "--json"];
        let tool = depot
            .start_tool(&list, &[("DEPOT_TOKEN", token.as_str())])
            .unwrap();
        let listed = tool.wait_with_output().await.unwrap();
        let listed: Value = serde_json::from_slice(&listed.stdout).ok()?;
        let letters = listed["letters"].as_array()?;
        let group = depot.topics().group("saga");
        let own = letters.iter().find(|letter| letter["group"] == *group)?;
        let part = |member: &str| own[member].to_string().trim_matches('"').to_owned();
        (letters.len() == 2).then(|| ["group", "topic", "partition", "offset"].map(part).join("/"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_built_anew_and_switched_to_as_the_page_says() {
    if is_left_out("the examples of docs/operations.md") {
        return;
    }
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    wait_until("the views have it", || async {
        let seen = alice
            .send(alice.query(&format!("/api/v1/items/{item}")))
            .await
            .unwrap();
        seen.status.is_success()
    })
    .await;
    Shell::on(&depot)
        .run(PAGE, &marked(PAGE, "tested: projection"))
        .await;
    let serving: i64 = sqlx::query_scalar("SELECT projection::bigint FROM read.active_projection")
        .fetch_one(&depot.database)
        .await
        .unwrap();
    assert_eq!(serving, 2);
    // Whose group is not the first's.
    wait_until("it is seen that a projector reads for it", || async {
        let looked = depot.tool(&["doctor", "--part", "lag"]).await.unwrap();
        let said = String::from_utf8_lossy(&looked.stdout);
        looked.status.success() && said.contains(&depot.topics().projector_group(2))
    })
    .await;
}

/// What the page shows as printed by that command: all but the line that calls it.
fn shown(command: &str) -> String {
    let prompt = format!("$ {command}");
    let mut shown = blocks(PAGE)
        .into_iter()
        .filter_map(|block| block.text.strip_prefix(&prompt).map(str::to_owned));
    let text = shown
        .next()
        .unwrap_or_else(|| panic!("{PAGE} does not show {command}"));
    text.split_once('\n').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_prints_the_hops_and_the_parts_that_the_page_shows() {
    if is_left_out("the examples of docs/operations.md") {
        return;
    }
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let upload = alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    let traced = depot.tool(&["trace", &upload]).await.unwrap();
    let traced = String::from_utf8(traced.stdout).unwrap();
    let prefix = depot.topics().group("");
    let prefix = prefix.trim_end_matches('.');
    let hops = |text: &str| -> Vec<String> {
        let table = text.lines().skip_while(|line| !line.starts_with("HOP "));
        let rows = table.take_while(|line| !line.is_empty());
        // Names are of other widths under another prefix.
        rows.map(|row| row.replace(prefix, "depot"))
            .map(|row| row.split("  ").next().unwrap().to_owned())
            .collect()
    };
    let expected = hops(&shown("depot trace"));
    assert!(expected.len() > 10, "{expected:?}");
    // That there is a dead letter is the case that is shown.
    let told: Vec<_> = hops(&traced);
    for hop in &expected {
        assert!(told.contains(hop), "{hop} is not among {told:?}");
    }

    let doctor = depot.tool(&["doctor"]).await.unwrap();
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    let parts = shown("depot doctor");
    let parts: Vec<_> = parts
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert!(parts.len() >= 4, "{parts:?}");
    for part in parts {
        assert!(
            doctor.lines().any(|line| line.starts_with(&format!("{part} "))),
            "{part} is not in\n{doctor}"
        );
    }
}
