//! `depot watch`, as a person and as a script use it.

use std::process::Output;

use depot_end_to_end::{Client, Depot};
use depot_service::auth::Role;
use depot_test_stack::{Gate, wait_until};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
};

/// A watch that is under way.
struct Watch {
    child: Child,
    changes: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
}

impl Watch {
    fn start(depot: &Depot, arguments: &[&str], more: &[(&str, &str)]) -> Self {
        let token = depot.token("reader", Role::Reader);
        let environment = [&[("DEPOT_TOKEN", token.as_str())], more].concat();
        let arguments = [&["watch"], arguments].concat();
        let mut child = depot.start_tool(&arguments, &environment).unwrap();
        let changes = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, changes, said }
    }

    /// Until it says where it begins; answers from where it could be begun again.
    async fn begun(&mut self) -> String {
        let line = self.said.next_line().await.unwrap().unwrap();
        let token = line.strip_prefix("watching from here: --from ");
        token.unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// The next change: its item and version.
    async fn next(&mut self) -> (String, String) {
        let line = self.changes.next_line().await.unwrap().unwrap();
        let change = serde_json::from_str::<Value>(&line).unwrap()["change"].take();
        let text = |member: &str| change[member].as_str().unwrap().to_owned();
        (text("item_id"), text("version"))
    }

    /// ^C; answers its exit code, and what it said until its end.
    async fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill")
            .args(["-s", "INT", &id])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
        let code = self.child.wait().await.unwrap().code();
        let mut rest = String::new();
        self.said.into_inner().read_to_string(&mut rest).await.unwrap();
        (code, rest)
    }
}

async fn run(depot: &Depot, arguments: &[&str], more: &[(&str, &str)]) -> Output {
    let token = depot.token("reader", Role::Reader);
    let environment = [&[("DEPOT_TOKEN", token.as_str())], more].concat();
    let arguments = [&["watch"], arguments].concat();
    let tool = depot.start_tool(&arguments, &environment).unwrap();
    tool.wait_with_output().await.unwrap()
}

async fn create(client: &Client, key: &str, body: Value) -> String {
    client.create_item(key, &body).await.unwrap().text("id")
}

async fn rename(client: &Client, id: &str, version: &str) {
    let patch = json!({"name": format!("after {version}")});
    let answer = client
        .patch_item(id, version, &format!("{id}-{version}"), &patch)
        .await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_seen_and_an_interrupted_watch_goes_on_where_it_was() {
    let depot = Depot::start().await.unwrap();
    let (alice, bob) = (
        depot.client("alice", Role::Writer),
        depot.client("bob", Role::Writer),
    );
    let mut watch = Watch::start(&depot, &["--owner", "alice", "--json"], &[]);
    watch.begun().await;
    create(&bob, "b", json!({"name": "not hers"})).await;
    let id = create(&alice, "a", json!({"name": "hers", "attributes": {"gears": 7}})).await;
    assert_eq!(watch.next().await, (id.clone(), "1".to_owned()));
    let (code, said) = watch.interrupt().await;
    assert_eq!(code, Some(0), "{said}");
    let token = said
        .trim()
        .strip_prefix("to go on from here: --from ")
        .unwrap_or_else(|| panic!("{said}"));

    // While nobody looks on.
    rename(&alice, &id, "1").await;
    create(&bob, "b2", json!({"name": "nor this"})).await;
    rename(&alice, &id, "2").await;
    let seen = run(
        &depot,
        &["--owner", "alice", "--from", token, "--count", "2", "--json"],
        &[],
    )
    .await;
    assert_eq!(seen.status.code(), Some(0), "{seen:?}");
    let lines = String::from_utf8(seen.stdout).unwrap();
    let changes: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let versions: Vec<_> = changes
        .iter()
        .map(|line| line["change"]["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["2", "3"], "without gap or double");
    assert_eq!(changes[1]["change"]["item"]["attributes"], json!({"gears": 7}));
    // From within, as a script has the token of each line.
    let first = changes[0]["resume_token"].as_str().unwrap();
    let one = run(&depot, &["--id", &id, "--from", first, "--count", "1"], &[]).await;
    let line = String::from_utf8(one.stdout).unwrap();
    assert!(
        line.contains("updated") && line.contains("  v3  alice  name  after 2"),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_off_goes_on_without_gap_or_double() {
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let gate = Gate::to(&depot.grpc_url()).await;
    let mut watch = Watch::start(&depot, &["--json"], &[("GRPC_PUBLIC_URL", &gate.endpoint)]);
    watch.begun().await;
    let id = create(&alice, "a", json!({"name": "a"})).await;
    assert_eq!(watch.next().await.1, "1");
    gate.shut();
    for version in ["1", "2"] {
        rename(&alice, &id, version).await;
    }
    wait_until("it has noticed, and tried again", || async {
        gate.turned_away() > 0
    })
    .await;
    gate.open();
    for version in ["2", "3"] {
        assert_eq!(watch.next().await, (id.clone(), version.to_owned()));
    }
    let (code, said) = watch.interrupt().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the stream is cut"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_watch_cannot_do_is_told_by_its_exit_code() {
    let depot = Depot::start().await.unwrap();
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32);
    let cases: &[Case<'_>] = &[
        (&["--from", "nonsense"], &[], 4),
        (&["--count", "0"], &[], 2),
        (&["--id", "x"], &[], 2),
        (&[], &[("DEPOT_TOKEN", "nonsense")], 4),
        (&[], &[("GRPC_PUBLIC_URL", "https://127.0.0.1:1")], 4),
        // Nobody listens there.
        (
            &["--patience", "0"],
            &[("GRPC_PUBLIC_URL", "http://127.0.0.1:1")],
            1,
        ),
    ];
    for (arguments, more, expected) in cases {
        let ended = run(&depot, arguments, more).await;
        assert_eq!(ended.status.code(), Some(*expected), "{arguments:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{ended:?}");
    }
    let refused = run(&depot, &["--from", "nonsense", "--json"], &[]).await;
    let failure: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        (&failure["exit_code"], &failure["resume_token"]),
        (&json!(4), &json!("nonsense"))
    );
}
