//! `docs/your-own-aggregate.md` followed literally: in a copy of the repository, which is built and run.
//!
//! To see it fail: spoil a line of the page, its counts, or what serves declared aggregates.

mod order;
mod page;
mod scratch;

use std::{fs, path::Path, process::Stdio, time::Duration};

use depot_end_to_end::{Backing, Client, Depot, LogRecord, read_topic};
use depot_schemas::header;
use depot_service::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::long::is_left_out;
use order::get_order;
use page::{Step, count, steps};
use scratch::{Scratch, root};

/// What the page promises to need at most.
const MOST: (usize, usize) = (8, 250);

fn own_steps() -> (String, Vec<Step>) {
    let page = fs::read_to_string(root().join("docs/your-own-aggregate.md")).unwrap();
    let steps = steps(&page);
    (page, steps)
}

#[test]
fn the_page_says_how_many_files_and_lines_it_takes_and_they_are_few() {
    let (page, steps) = own_steps();
    let (files, lines) = count(&steps);
    assert!(
        page.contains(&format!("**{files} files and {lines} lines**")),
        "it takes {files} files and {lines} lines"
    );
    assert!(
        files <= MOST.0 && lines <= MOST.1,
        "{files} files and {lines} lines"
    );
}

#[test]
fn every_step_can_be_taken_in_this_tree() {
    let (_, steps) = own_steps();
    let folder = std::env::temp_dir().join(format!("depot-own-aggregate-{}", std::process::id()));
    for step in &steps {
        let (from, to) = (root().join(&step.file), folder.join(&step.file));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if from.is_file() && !to.exists() {
            fs::copy(from, &to).unwrap();
        }
        step.take(&folder);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_that_the_page_adds_works_from_command_to_view_over_every_door() {
    if is_left_out("an_aggregate_that_the_page_adds_works_from_command_to_view_over_every_door") {
        return;
    }
    let (_, steps) = own_steps();
    let scratch = Scratch::build(&steps).await;
    let backing = Backing::create().await.unwrap();
    prepare(&scratch, &backing).await;
    let depot = Depot::start_from(scratch.programs.clone(), backing)
        .await
        .unwrap();

    let alice = depot.client("alice", Role::Writer);
    let id = places_an_order(&alice).await;
    changes_it(&alice, &id).await;
    refuses_what_is_wrong(&alice, &id).await;
    is_read(&depot, &alice, &id).await;
    is_read_over_grpc(&depot, &id).await;
    is_used_by_the_tool(&depot, &id).await;
    is_told_in_order(&depot, &scratch.tree, &id).await;
}

/// Migrations and topics of that build, as the page says.
async fn prepare(scratch: &Scratch, backing: &Backing) {
    for step in ["migrate", "topics"] {
        let run = Command::new(scratch.programs.join("depot"))
            .args([step, "--json"])
            .env_clear()
            .envs(backing.environment())
            .env("MIGRATE_DATABASE_URL", backing.database.owner_url())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(120), run)
            .await
            .unwrap_or_else(|_| panic!("depot {step} has not ended"))
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "depot {step}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if step == "topics" {
            assert!(
                text.contains(".orders.v1") && text.contains(".orders.dlq.v1"),
                "{text}"
            );
        }
    }
}

fn order(quantity: u32) -> Value {
    json!({"customer": "Ada", "lines": [{"article": "lamp", "quantity": quantity}]})
}

/// And asks twice under the same key.
async fn places_an_order(alice: &Client) -> String {
    let place = |key: &'static str, body: Value| {
        let request = alice
            .command(Method::POST, "/api/v1/orders")
            .header("Idempotency-Key", key)
            .json(&body);
        alice.send(request)
    };
    let placed = place("k1", order(2)).await.unwrap();
    assert_eq!(placed.status, 201, "{placed:?}");
    let id = placed.text("id");
    let body = placed.json();
    assert_eq!(placed.header("etag"), Some("\"1\""));
    assert!(
        placed
            .header("location")
            .unwrap()
            .ends_with(&format!("/api/v1/orders/{id}"))
    );
    assert_eq!(
        (&body["owner"], &body["version"], &body["state"]["status"]),
        (&json!("alice"), &json!(1), &json!("placed"))
    );
    let again = place("k1", order(2)).await.unwrap();
    assert_eq!((again.status, again.text("id")), (placed.status, id.clone()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.bytes, placed.bytes);
    let other = place("k1", order(3)).await.unwrap();
    assert_eq!(other.status, 422, "the key was used for another order: {other:?}");
    id
}

async fn command(
    by: &Client,
    id: &str,
    command: &str,
    version: &str,
    body: Value,
) -> depot_end_to_end::Answer {
    let request = by
        .command(Method::POST, &format!("/api/v1/orders/{id}:{command}"))
        .header("If-Match", format!("\"{version}\""))
        .json(&body);
    by.send(request).await.unwrap()
}

async fn changes_it(alice: &Client, id: &str) {
    let shipped = command(alice, id, "ship", "1", json!({"carrier": "post"})).await;
    assert_eq!(shipped.status, 200, "{shipped:?}");
    assert_eq!(shipped.header("etag"), Some("\"2\""));
    let state = shipped.json()["state"].clone();
    assert_eq!(
        (&state["status"], &state["carrier"]),
        (&json!("shipped"), &json!("post"))
    );

    let stale = command(alice, id, "cancel", "1", json!({})).await;
    assert_eq!(
        (stale.status.as_u16(), stale.header("etag")),
        (412, Some("\"2\"")),
        "{stale:?}"
    );
}

async fn refuses_what_is_wrong(alice: &Client, id: &str) {
    let bad = json!({"customer": " ", "lines": [{"article": "lamp", "quantity": 0}]});
    let request = alice
        .command(Method::POST, "/api/v1/orders")
        .header("Idempotency-Key", "k2")
        .json(&bad);
    let invalid = alice.send(request).await.unwrap();
    assert_eq!(invalid.status, 422, "{invalid:?}");
    assert_eq!(pointers(&invalid.json()), ["/customer", "/lines/0/quantity"]);

    let shapeless = json!({"customer": 7, "lines": [], "colour": "blue"});
    let request = alice
        .command(Method::POST, "/api/v1/orders")
        .header("Idempotency-Key", "k3")
        .json(&shapeless);
    let shapeless = alice.send(request).await.unwrap();
    assert_eq!(shapeless.status, 422, "{shapeless:?}");
    assert_eq!(pointers(&shapeless.json()), ["/colour", "/customer"]);

    let without_key = alice.command(Method::POST, "/api/v1/orders").json(&order(1));
    assert_eq!(alice.send(without_key).await.unwrap().status, 400);
    let path = format!("/api/v1/orders/{id}:cancel");
    let without_version = alice.command(Method::POST, &path).json(&json!({}));
    assert_eq!(alice.send(without_version).await.unwrap().status, 428);

    let not_now = command(alice, id, "cancel", "2", json!({})).await;
    assert_eq!(not_now.status, 409, "{not_now:?}");
    assert_eq!(not_now.json()["detail"], "The order is shipped.");
    let unknown = command(alice, id, "burn", "2", json!({})).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let nobodys = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";
    let missing = command(alice, nobodys, "cancel", "2", json!({})).await;
    assert_eq!(missing.status, 404, "{missing:?}");
}

/// The members that a problem names, in the order of their names.
fn pointers(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let mut pointers: Vec<_> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap_or_default().to_owned())
        .collect();
    pointers.sort();
    pointers
}

async fn is_read(depot: &Depot, alice: &Client, id: &str) {
    let path = format!("/api/v1/orders/{id}");
    let seen = alice.read_at_least(&path, "2").await.unwrap();
    assert_eq!(
        (seen.status.as_u16(), seen.header("etag")),
        (200, Some("\"2\"")),
        "{seen:?}"
    );
    assert_eq!(seen.json()["state"]["status"], "shipped");
    let request = alice.query(&path).header("If-None-Match", "\"2\"");
    assert_eq!(alice.send(request).await.unwrap().status, 304);
    let ahead = alice
        .query(&format!("{path}?min_version=3"))
        .header("Prefer", "wait=0");
    assert_eq!(alice.send(ahead).await.unwrap().status, 503);

    let listed = alice.send(alice.query("/api/v1/orders")).await.unwrap().json();
    assert_eq!(listed["orders"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(
        (&listed["orders"][0]["id"], &listed["next_cursor"]),
        (&json!(id), &Value::Null)
    );

    // Another one sees nothing of it, and changes nothing.
    let bob = depot.client("bob", Role::Writer);
    assert_eq!(bob.send(bob.query(&path)).await.unwrap().status, 403);
    let none = bob.send(bob.query("/api/v1/orders")).await.unwrap().json();
    assert_eq!(none["orders"], json!([]));
    let forbidden = command(&bob, id, "cancel", "2", json!({})).await;
    assert_eq!(forbidden.status, 403, "{forbidden:?}");
    let root = depot.client("root", Role::Admin);
    assert_eq!(root.send(root.query(&path)).await.unwrap().status, 200);
}

async fn is_read_over_grpc(depot: &Depot, id: &str) {
    let token = depot.token("alice", Role::Writer);
    let order = get_order(&depot.grpc_url(), &token, id, "2").await.unwrap();
    assert_eq!((order.id.as_str(), order.owner.as_str()), (id, "alice"));
    assert_eq!(
        (order.customer.as_str(), order.status.as_str()),
        ("Ada", "shipped")
    );
    assert_eq!((order.carrier.as_str(), order.version.as_str()), ("post", "2"));
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| (line.article.as_str(), line.quantity))
        .collect();
    assert_eq!(lines, [("lamp", 2)]);

    let bob = depot.token("bob", Role::Writer);
    let refused = get_order(&depot.grpc_url(), &bob, id, "2").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused:?}");
    let refused = get_order(&depot.grpc_url(), &token, "7", "2").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused:?}");
}

/// By another person: the tool lists their own.
async fn is_used_by_the_tool(depot: &Depot, id: &str) {
    let carol = depot.token("carol", Role::Writer);
    let body = order(5).to_string();
    let placed = tool(depot, &carol, &["create", "orders", "--body", &body])
        .await
        .unwrap();
    assert_eq!(placed["version_token"], "1", "{placed}");
    let own = placed["id"].as_str().unwrap();
    let cancelled = tool(depot, &carol, &["do", "orders", own, "cancel", "--version", "1"])
        .await
        .unwrap();
    assert_eq!(cancelled["state"]["status"], "cancelled", "{cancelled}");
    let shown = tool(depot, &carol, &["show", "orders", own, "--min-version", "2"])
        .await
        .unwrap();
    assert_eq!(
        (&shown["id"], &shown["version_token"]),
        (&json!(own), &json!("2"))
    );
    let listed = tool(depot, &carol, &["list", "orders"]).await.unwrap();
    assert_eq!(listed["orders"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["orders"][0]["id"], own);

    let body = r#"{"carrier": "x"}"#;
    let ship = ["do", "orders", own, "ship", "--latest", "--body", body];
    let refused = tool(depot, &carol, &ship).await;
    assert_eq!(refused.unwrap_err(), 3, "a cancelled order is not shipped");
    let refused = tool(depot, &carol, &["show", "orders", id]).await;
    assert_eq!(refused.unwrap_err(), 4, "it is another's");
}

/// What the tool of that build prints; its exit code where that is not 0.
async fn tool(depot: &Depot, token: &str, arguments: &[&str]) -> Result<Value, i32> {
    let arguments = [&["aggregate"], arguments, &["--json"]].concat();
    let tool = depot.start_tool(&arguments, &[("DEPOT_TOKEN", token)]).unwrap();
    let output = tool.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    match output.status.code() {
        Some(0) => Ok(serde_json::from_str(&text).unwrap()),
        code => {
            println!("{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
            Err(code.unwrap_or(-1))
        }
    }
}

/// Each version once and in order, as its schema says.
async fn is_told_in_order(depot: &Depot, tree: &Path, id: &str) {
    let topic = format!("{}.orders.v1", depot.backing.topics.prefix());
    let records = read_topic(&topic).await.unwrap();
    let of_order: Vec<&LogRecord> = records.iter().filter(|record| record.key_text() == id).collect();
    let told: Vec<_> = of_order
        .iter()
        .map(|record| {
            (
                record.header(header::TYPE),
                record.header(header::AGGREGATE_VERSION),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("depot.order.placed.v1", "1"), ("depot.order.shipped.v1", "2")]
    );
    for record in &of_order {
        let schema = tree.join(record.header(header::DATA_SCHEMA).trim_start_matches('/'));
        let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
        let data: Value = serde_json::from_slice(&record.payload).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&data), "{data} by {schema}");
        assert_eq!(
            (&data["aggregate"]["id"], &data["actor"]),
            (&json!(id), &json!("alice"))
        );
    }
    let shipped: Value = serde_json::from_slice(&of_order[1].payload).unwrap();
    assert_eq!(shipped["changed"], json!(["carrier", "status"]));
    let letters = read_topic(&format!("{}.orders.dlq.v1", depot.backing.topics.prefix()))
        .await
        .unwrap();
    assert!(letters.is_empty(), "{letters:?}");
}
