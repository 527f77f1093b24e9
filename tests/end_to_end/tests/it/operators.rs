//! `depot dlq`, `depot saga` and `depot outbox`, as an operator uses them on a running system.

use depot_end_to_end::{Depot, Service, produce_raw, read_topic};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};

const KEY: &str = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";

/// The tool with a token of that role: its exit code, and what it printed.
async fn run_as(depot: &Depot, role: Role, arguments: &[&str]) -> (i32, String) {
    let token = depot.token("root", role);
    let tool = depot
        .start_tool(arguments, &[("DEPOT_TOKEN", token.as_str())])
        .unwrap();
    let output = tool.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), format!("{text}{errors}"))
}

/// What the tool prints with `--json`, of a command that must succeed.
async fn ask(depot: &Depot, arguments: &[&str]) -> Value {
    let (code, text) = run_as(depot, Role::Admin, &[arguments, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

async fn letters(depot: &Depot, group: &str, more: &[&str]) -> Vec<Value> {
    let list = [&["dlq", "list", "--key", KEY, "--group", group], more].concat();
    ask(depot, &list).await["letters"].as_array().unwrap().clone()
}

fn attempts(letters: &[Value]) -> Vec<i64> {
    letters
        .iter()
        .map(|letter| letter["attempts"].as_i64().unwrap())
        .collect()
}

/// What command-api's metrics say of a group's letters.
async fn depth(depot: &Depot, metric: &str, group: &str) -> Option<f64> {
    let answer = reqwest::get(depot.admin_url(Service::CommandApi, "/metrics")).await;
    let text = answer.ok()?.text().await.ok()?;
    let group = format!("group=\"{group}\"");
    let line = text
        .lines()
        .find(|line| line.starts_with(metric) && line.contains(&group))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn audited(depot: &Depot) -> Vec<(String, String, Value)> {
    sqlx::query_as("SELECT actor, action, detail FROM command.audit ORDER BY id")
        .fetch_all(&depot.database)
        .await
        .unwrap()
}

async fn read_offsets(depot: &Depot) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT topic, sum(next_offset)::bigint FROM read.offsets GROUP BY topic ORDER BY topic")
        .fetch_all(&depot.database)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_shown_brought_back_to_its_group_only_and_given_up() {
    let mut depot = Depot::start().await.unwrap();
    let names = depot.topics();
    let (source, projector, saga) = (
        names.events(Entity::Items),
        names.group("projector"),
        names.group("saga"),
    );
    for payload in [&b"no JSON"[..], &b"nor this"[..]] {
        let headers = [
            ("ce_type", "depot.item.deleted.v1"),
            ("ce_subject", KEY),
            ("ce_id", KEY),
            ("ce_time", "2026-01-01T00:00:00Z"),
            ("ce_aggregateversion", "1"),
            ("ce_causationid", KEY),
        ];
        produce_raw(&source, Some(KEY), &headers, payload).await.unwrap();
    }
    wait_until("both groups that read it have given both up", || async {
        letters(&depot, &projector, &[]).await.len() == 2 && letters(&depot, &saga, &[]).await.len() == 2
    })
    .await;
    let open = letters(&depot, &projector, &["--topic", &source]).await;
    let name = |letter: &Value| {
        let part = |member: &str| letter[member].to_string().trim_matches('"').to_owned();
        ["group", "topic", "partition", "offset"].map(part).join("/")
    };
    let (first, second) = (name(&open[0]), name(&open[1]));
    let (code, table) = run_as(&depot, Role::Admin, &["dlq", "list", "--group", &projector]).await;
    assert!(
        code == 0 && table.contains(&first) && table.contains("not_json"),
        "{table}"
    );

    let shown = ask(&depot, &["dlq", "show", &first]).await;
    assert_eq!(shown["value_text"], "no JSON");
    let headers = shown["headers"].as_array().unwrap();
    assert!(headers.contains(&json!({
        "name": "ce_type", "text": "depot.item.deleted.v1", "base64": "ZGVwb3QuaXRlbS5kZWxldGVkLnYx",
    })));
    let (code, text) = run_as(&depot, Role::Admin, &["dlq", "show", &first]).await;
    assert!(
        code == 0 && text.contains("no JSON") && text.contains("ce_type = depot.item.deleted.v1"),
        "{text}"
    );

    // The projector is stopped, so that what comes back is seen before it fails again.
    assert!(depot.process(Service::Projector).terminate().await.unwrap());
    let before = read_offsets(&depot).await;
    let redrive = ["dlq", "redrive", "--group", &projector, "--key", KEY];
    let dry = ask(&depot, &[&redrive[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry, json!({"count": 2, "dry_run": true}));
    assert_eq!(
        attempts(&letters(&depot, &projector, &[]).await),
        [1, 1],
        "both are open as before"
    );
    assert!(read_topic(&names.redriven("projector")).await.unwrap().is_empty());

    assert_eq!(
        ask(&depot, &[&redrive[..], &["--rate", "10"]].concat()).await["count"],
        2
    );
    wait_until("both are sent", || async {
        letters(&depot, &projector, &["--state", "redriven"]).await.len() == 2
    })
    .await;
    assert_eq!(ask(&depot, &redrive).await["count"], 0, "asked twice, sent once");
    let (code, text) = run_as(&depot, Role::Admin, &["dlq", "redrive", &first]).await;
    assert!(code == 3 && text.contains("redriven"), "{code} {text}");
    let sent = read_topic(&names.redriven("projector")).await.unwrap();
    let payloads: Vec<_> = sent.iter().map(|one| one.payload.as_slice()).collect();
    assert_eq!(payloads, [&b"no JSON"[..], &b"nor this"[..]], "oldest first");
    assert_eq!(sent[0].header("ce_id"), KEY, "the original headers are kept");
    // Nobody else hears of it: neither the source, nor another group's topic.
    assert_eq!(read_topic(&source).await.unwrap().len(), 2);
    for topic in [
        names.redriven("saga"),
        names.redriven("store-notifications"),
        names.retries()[0].clone(),
    ] {
        assert!(read_topic(&topic).await.unwrap().is_empty(), "{topic}");
    }

    depot.process(Service::Projector).restart().unwrap();
    wait_until("both have failed once more", || async {
        attempts(&letters(&depot, &projector, &[]).await) == [2, 2]
    })
    .await;
    assert_eq!(
        attempts(&letters(&depot, &saga, &[]).await),
        [1, 1],
        "the other group's are as they were"
    );
    let mut after = before.clone();
    for (topic, offset) in &mut after {
        if *topic == names.redriven("projector") {
            *offset = 2;
        }
    }
    wait_until("only the retry topic's offset has moved", || async {
        read_offsets(&depot).await == after
    })
    .await;
    wait_until("the depth says so", || async {
        depth(&depot, "depot_dead_letters_open", &projector).await == Some(2.0)
    })
    .await;
    assert!(
        depth(&depot, "depot_dead_letters_oldest_seconds", &projector)
            .await
            .unwrap()
            > 0.0
    );

    let discard = ["dlq", "discard", &second, "--note", "made by a test"];
    assert_eq!(ask(&depot, &discard).await["count"], 1);
    let (code, _) = run_as(&depot, Role::Admin, &discard).await;
    assert_eq!(code, 3, "it is open no more");
    let rest = [
        "dlq", "discard", "--group", &projector, "--reason", "not_json", "--note", "nor this",
    ];
    assert_eq!(ask(&depot, &rest).await["count"], 1);
    wait_until("none is open", || async {
        depth(&depot, "depot_dead_letters_open", &projector).await == Some(0.0)
            && depth(&depot, "depot_dead_letters_oldest_seconds", &projector).await == Some(0.0)
    })
    .await;
    assert_eq!(depth(&depot, "depot_dead_letters_open", &saga).await, Some(2.0));

    let audited = audited(&depot).await;
    let actions: Vec<_> = audited.iter().map(|(_, action, _)| action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "dlq.redrive",
            "dlq.redrive",
            "dlq.redrive",
            "dlq.discard",
            "dlq.discard"
        ]
    );
    assert!(audited.iter().all(|(actor, _, _)| actor == "root"));
    assert_eq!(audited[0].2, json!({"count": 2, "rate": 50, "dry_run": true}));
    assert_eq!(audited[3].2["note"], "made by a test");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_says_by_its_exit_code_what_came_of_it() {
    let depot = Depot::start().await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    let upload = alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    wait_until("it is stored", || async {
        ask(&depot, &["saga", "show", "upload", &upload]).await["step"] == "attached"
    })
    .await;
    let shown = ask(&depot, &["saga", "show", "upload", &upload]).await;
    assert_eq!(shown["subject"]["item_id"], item);
    let listed = ask(&depot, &["saga", "list", "--state", "completed", "--limit", "1"]).await;
    assert_eq!(
        (&listed["sagas"][0]["id"], &listed["has_more"]),
        (&json!(upload), &json!(false))
    );
    let (code, table) = run_as(&depot, Role::Admin, &["saga", "list"]).await;
    assert!(code == 0 && table.contains(&upload), "{table}");
    assert_eq!(ask(&depot, &["outbox", "show"]).await["parked"], json!([]));

    let unknown = format!(
        "{}/{}/0/7",
        depot.topics().group("saga"),
        depot.topics().events(Entity::Files)
    );
    let cases: [(i32, Role, &[&str]); 10] = [
        (3, Role::Admin, &["saga", "resume", "upload", &upload]),
        (3, Role::Admin, &["outbox", "resume", &item]),
        (3, Role::Admin, &["dlq", "show", &unknown]),
        (4, Role::Writer, &["dlq", "list"]),
        (4, Role::Admin, &["saga", "list", "--step", "paying"]),
        (4, Role::Admin, &["dlq", "list", "--from", "yesterday"]),
        (2, Role::Admin, &["dlq", "redrive"]),
        (2, Role::Admin, &["dlq", "discard", "--note", "why"]),
        (2, Role::Admin, &["dlq", "discard", "--group", "g"]),
        (2, Role::Admin, &["dlq", "show", "7"]),
    ];
    for (expected, role, arguments) in cases {
        let (code, text) = run_as(&depot, role, arguments).await;
        assert_eq!(code, expected, "{arguments:?}: {text}");
        assert!(!text.is_empty(), "{arguments:?} says nothing");
    }
    let token = depot.token("root", Role::Admin);
    let nobody = [
        ("DEPOT_TOKEN", token.as_str()),
        ("COMMAND_PUBLIC_URL", "http://127.0.0.1:1"),
    ];
    let tool = depot.start_tool(&["outbox", "show", "--json"], &nobody).unwrap();
    let output = tool.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let failure: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(failure["exit_code"], 1);
    assert!(audited(&depot).await.is_empty(), "what was refused left nothing");
}
