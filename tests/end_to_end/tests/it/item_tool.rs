//! `depot item`, as a person and as a script use it.

use std::{collections::BTreeSet, path::PathBuf, process::Output};

use depot_end_to_end::{Depot, Service};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

/// The tool with a token of that role for alice.
async fn run_as(depot: &Depot, role: Role, arguments: &[&str]) -> Output {
    let token = depot.token("alice", role);
    let arguments = [&["item"], arguments].concat();
    let tool = depot.start_tool(&arguments, &[("DEPOT_TOKEN", token.as_str())]);
    tool.unwrap().wait_with_output().await.unwrap()
}

async fn run(depot: &Depot, arguments: &[&str]) -> Output {
    run_as(depot, Role::Writer, arguments).await
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the tool prints with `--json`, and its exit code.
async fn ask(depot: &Depot, arguments: &[&str]) -> (i32, Value) {
    let output = run(depot, &[arguments, &["--json"]].concat()).await;
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), value)
}

/// The same of what has to succeed.
async fn done(depot: &Depot, arguments: &[&str]) -> Value {
    let (code, value) = ask(depot, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {value}");
    value
}

fn id_of(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

/// A file that goes with the value.
struct Named(PathBuf);

impl Named {
    fn with(depot: &Depot, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-item.json", depot.backing.topics.prefix()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_created_read_at_once_changed_told_of_and_deleted() {
    let depot = Depot::start().await.unwrap();
    let created = done(
        &depot,
        &[
            "create",
            "--name",
            "A bicycle",
            "--tag",
            "blue",
            "--tag",
            "old",
            "--attribute",
            "colour=blue",
            "--attribute",
            "gears:=7",
        ],
    )
    .await;
    assert_eq!(created["version_token"], "1");
    assert_eq!(created["attributes"], json!({"colour": "blue", "gears": 7}));
    let id = id_of(&created);

    // At once, though the views are built from events.
    let read = done(&depot, &["get", &id, "--min-version", "1", "--wait", "30"]).await;
    for member in ["id", "name", "tags", "attributes", "owner", "version_token"] {
        assert_eq!(read[member], created[member], "{member}");
    }
    // Never what is older than was asked for.
    let ahead = ["get", &id, "--min-version", "2", "--wait", "0", "--patience", "0"];
    let (code, behind) = ask(&depot, &ahead).await;
    assert_ne!(code, 0, "{behind}");
    let shown = run(&depot, &["get", &id, "--min-version", "1"]).await;
    assert!(shown.status.success(), "{shown:?}");
    let text = out(&shown);
    assert!(text.contains("A bicycle") && text.contains("blue, old"), "{text}");
    assert!(
        !text.contains('\u{1b}'),
        "no colours where nobody looks on: {text}"
    );

    let change = [
        "update",
        &id,
        "--version",
        "1",
        "--status",
        "active",
        "--attribute",
        "colour:=null",
    ];
    let changed = done(&depot, &change).await;
    assert_eq!(
        (&changed["version_token"], &changed["status"]),
        (&json!("2"), &json!("active"))
    );
    assert_eq!(changed["attributes"], json!({"gears": 7}));
    assert_eq!(
        changed["tags"],
        json!(["blue", "old"]),
        "what was not given stays"
    );

    // Of a version that is not the current one any more.
    let stale = run(&depot, &change).await;
    assert_eq!(stale.status.code(), Some(3), "{stale:?}");
    let said = String::from_utf8(stale.stderr).unwrap();
    assert!(said.contains("412") && stale.stdout.is_empty(), "{said}");
    let (code, failure) = ask(&depot, &change).await;
    assert_eq!((code, &failure["exit_code"]), (3, &json!(3)));
    assert!(failure["idempotency_key"].is_string(), "{failure}");

    let content = Named::with(&depot, r#"{"name": "A tandem", "tags": ["red"]}"#);
    let replaced = done(
        &depot,
        &["update", &id, "--latest", "--replace", "--from", content.path()],
    )
    .await;
    assert_eq!(
        (
            &replaced["version_token"],
            &replaced["status"],
            &replaced["attributes"]
        ),
        (&json!("3"), &json!("draft"), &json!({}))
    );

    let history = done(&depot, &["history", &id, "--min-version", "3", "--wait", "30"]).await;
    let versions: Vec<_> = history["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["version"])
        .collect();
    assert_eq!(versions, [3, 2, 1]);
    let listed = run(&depot, &["history", &id, "--limit", "2"]).await;
    let text = out(&listed);
    assert_eq!(
        text.lines().count(),
        4,
        "names, two rows, and that there are more: {text}"
    );
    assert!(text.contains("--cursor "), "{text}");

    let deleted = done(&depot, &["delete", &id, "--version", "3"]).await;
    assert_eq!(deleted, json!({"id": id, "version_token": "4"}));
    let (code, gone) = ask(&depot, &["get", &id, "--min-version", "4", "--wait", "30"]).await;
    assert_eq!(code, 3, "{gone}");
    assert!(gone["error"].as_str().unwrap().contains("410"), "{gone}");
    let (code, again) = ask(&depot, &["delete", &id, "--latest"]).await;
    assert_eq!(code, 3, "{again}");
    let all = run(&depot, &["history", &id, "--all", "--json"]).await;
    assert_eq!(out(&all).lines().count(), 4, "a deleted item keeps its history");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_one_document_or_all_of_it_as_it_comes() {
    let depot = Depot::start().await.unwrap();
    let mut newest = String::new();
    for number in 0..5 {
        let name = format!("item {number}");
        let tag = if number % 2 == 0 { "even" } else { "odd" };
        newest = id_of(&done(&depot, &["create", "--name", &name, "--tag", tag, "--tag", "all"]).await);
        done(&depot, &["get", &newest, "--min-version", "1", "--wait", "30"]).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let even = done(
        &depot,
        &["list", "--tag", "even", "--tag", "all", "--sort", "name"],
    )
    .await;
    assert_eq!(names(&even), ["item 0", "item 2", "item 4"]);
    assert_eq!(even["next_cursor"], Value::Null);
    let page = done(&depot, &["list", "--owner", "alice", "--limit", "2"]).await;
    assert_eq!(names(&page), ["item 4", "item 3"], "the newest first");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = done(&depot, &["list", "--owner", "alice", "--cursor", cursor]).await;
    assert_eq!(names(&rest), ["item 2", "item 1", "item 0"]);

    let all = out(&run(&depot, &["list", "--all", "--json"]).await);
    let ids: Vec<String> = all
        .lines()
        .map(|line| id_of(&serde_json::from_str(line).unwrap()))
        .collect();
    assert_eq!((ids.len(), &ids[0]), (5, &newest), "{all}");
    let table = out(&run(&depot, &["list", "--all"]).await);
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(table.starts_with("ID") && table.contains(&newest), "{table}");
    assert_eq!(
        names(&done(&depot, &["list", "--query", "nothing of it"]).await),
        [""; 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_more_than_a_page_is_read_to_its_end() {
    const ITEMS: usize = 250;
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let items: Vec<_> = (0..ITEMS).map(|n| json!({"name": format!("{n}")})).collect();
    let batch = alice
        .command(Method::POST, "/api/v1/items:batch")
        .header("Idempotency-Key", "many")
        .json(&json!({"items": items}));
    let created = alice.send(batch).await.unwrap();
    assert_eq!(created.json()["created"], ITEMS, "{created:?}");
    wait_until("all of them are in the views", || async {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM read.items")
            .fetch_one(&depot.database)
            .await
            .unwrap();
        count == ITEMS as i64
    })
    .await;
    let all = out(&run(&depot, &["list", "--all", "--json"]).await);
    let ids: Vec<String> = all
        .lines()
        .map(|line| id_of(&serde_json::from_str(line).unwrap()))
        .collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (ITEMS, ITEMS));
    let table = out(&run(&depot, &["list", "--all"]).await);
    assert_eq!(table.lines().count(), ITEMS + 1, "the names once, and each item");
    // More than the API has on a page.
    let some = done(&depot, &["list", "--limit", "230"]).await;
    let first: Vec<String> = some["items"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(first, ids[..230]);
    let cursor = some["next_cursor"].as_str().unwrap();
    let rest = done(&depot, &["list", "--limit", "230", "--cursor", cursor]).await;
    let last: Vec<String> = rest["items"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(
        (last.as_slice(), &rest["next_cursor"]),
        (&ids[230..], &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_repeated_under_its_key_is_done_once() {
    let depot = Depot::start().await.unwrap();
    let create = ["create", "--name", "a", "--key", "order-4711"];
    let (first, again) = (done(&depot, &create).await, done(&depot, &create).await);
    assert_eq!(first, again);
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM command.items")
        .fetch_one(&depot.database)
        .await
        .unwrap();
    assert_eq!(count, 1);
    let (code, other) = ask(&depot, &["create", "--name", "b", "--key", "order-4711"]).await;
    assert_eq!(
        (code, &other["idempotency_key"]),
        (4, &json!("order-4711")),
        "{other}"
    );
    // One that is made for the call is told before it is needed.
    let told = run(&depot, &["create", "--name", "c"]).await;
    let said = String::from_utf8(told.stderr).unwrap();
    let key = said.trim().strip_prefix("idempotency key: ").unwrap();
    let again = done(&depot, &["create", "--name", "c", "--key", key]).await;
    assert!(
        String::from_utf8(told.stdout).unwrap().contains(&id_of(&again)),
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_it_is_told_by_the_exit_code() {
    let mut depot = Depot::start().await.unwrap();
    let unknown = "01a20eadd2ca7b0f8fe4000000000000";
    let cases: &[(&[&str], i32)] = &[
        (&["create"], 2),
        (&["create", "--name", "a", "--from", "x.json"], 2),
        (&["create", "--name", "a", "--attribute", "x"], 2),
        (&["create", "--name", "a", "--key", "a b"], 2),
        (&["update", unknown, "--name", "a"], 2),
        (
            &["update", unknown, "--version", "1", "--latest", "--name", "a"],
            2,
        ),
        (&["update", unknown, "--version", "1"], 2),
        (&["get", "no-uuid"], 2),
        (&["get", unknown], 3),
        (&["delete", unknown, "--latest"], 3),
        (&["create", "--name", "a", "--status", "lost"], 4),
        (&["create", "--from", "/no/such/file"], 4),
        (&["list", "--sort", "size"], 4),
        (&["get", unknown, "--min-version", "9", "--wait", "0"], 1),
    ];
    for (arguments, expected) in cases {
        let ended = run(&depot, arguments).await;
        assert_eq!(ended.status.code(), Some(*expected), "{arguments:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{ended:?}");
    }
    let invalid = run(&depot, &["create", "--name", "", "--status", "lost"]).await;
    let said = String::from_utf8(invalid.stderr).unwrap();
    assert!(said.contains("/name: ") && said.contains("/status: "), "{said}");
    let reader = run_as(&depot, Role::Reader, &["create", "--name", "a"]).await;
    assert_eq!(reader.status.code(), Some(4), "{reader:?}");
    let nobody = depot.tool(&["item", "list"]).await.unwrap();
    assert_eq!(nobody.status.code(), Some(4), "{nobody:?}");

    depot.process(Service::CommandApi).kill().await.unwrap();
    let away = run(&depot, &["create", "--name", "a", "--patience", "0"]).await;
    assert_eq!(away.status.code(), Some(1), "{away:?}");
    let said = String::from_utf8(away.stderr).unwrap();
    assert!(
        said.contains("COMMAND_PUBLIC_URL") && said.contains("with --key "),
        "{said}"
    );
}
