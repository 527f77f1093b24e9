//! A whole installation: healthy, with three faults at once, and healthy again.

use depot_end_to_end::{Depot, Service, produce_raw};
use depot_schemas::Entity;
use depot_service::auth::Role;
use depot_test_stack::wait_until;

use super::{execute, look, run};

const ID: &str = "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f";
/// As an operator runs it, but that the machine's disk is not judged.
const ALL: [&str; 2] = ["--least-free-percent", "0"];

/// Waits until nothing is found in any part, and answers what the tool prints then.
async fn healthy(depot: &Depot) -> String {
    let environment = depot.environment();
    wait_until("nothing is wrong", || async {
        let found = look(&environment, &ALL).await;
        if !found.is_clean() {
            println!("{:#}", found.report);
        }
        found.is_clean()
    })
    .await;
    let (code, text) = run(&environment, &[&["doctor"], &ALL[..]].concat()).await;
    assert_eq!(code, 0, "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_installation_has_no_finding_and_three_faults_are_told_and_mended() {
    let mut depot = Depot::start().await.unwrap();
    let environment = depot.environment();
    // The buckets of tests are made without their rules.
    let (code, said) = run(&environment, &["buckets"]).await;
    assert_eq!(code, 0, "{said}");
    let alice = depot.client("alice", Role::Writer);
    let item = alice
        .create_item("k", &serde_json::json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    alice.upload(&item, "a.bin", vec![7; 1000]).await.unwrap();
    let text = healthy(&depot).await;
    let parts = [
        "settings",
        "services",
        "clock",
        "database",
        "kafka",
        "outbox",
        "lag",
        "sagas",
        "dead-letters",
        "cache",
        "object-store",
    ];
    for part in parts {
        let line = format!("{part:13} ok");
        assert!(
            text.lines().any(|said| said.starts_with(&line)),
            "{line} is not in\n{text}"
        );
    }
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    assert!(text.contains("4 of 4 instances are ready"), "{text}");

    // An instance that was killed, a message that nobody can handle, an event that Kafka refused.
    depot.process(Service::Projector).kill().await.unwrap();
    let files = depot.topics().events(Entity::Files);
    let headers = [
        ("ce_type", "depot.file.stored.v1"),
        ("ce_subject", ID),
        ("ce_id", ID),
        ("ce_time", "2026-01-01T00:00:00Z"),
        ("ce_aggregateversion", "1"),
        ("ce_causationid", ID),
    ];
    produce_raw(&files, Some(ID), &headers, b"no JSON").await.unwrap();
    let park = format!(
        "INSERT INTO command.outbox_parked_aggregates (aggregate_id, shard, reason)
         VALUES ('{ID}', 55, 'Kafka refused it: message too large')"
    );
    execute(&depot.database, &park).await;
    let (saga, projector) = (depot.topics().group("saga"), depot.topics().group("projector"));
    let away = depot.admin_url(Service::Projector, "");
    wait_until("all three are told", || async {
        let found = look(&environment, &ALL).await;
        found.has("service_away", &["projector does not answer", &away])
            && found.has("group_unread", &[&projector])
            && found.has("dead_letters_open", &[&files, &saga])
            && found.has("aggregate_parked", &[ID, "message too large"])
    })
    .await;
    let (code, text) = run(&environment, &[&["doctor"], &ALL[..]].concat()).await;
    println!("with three faults:\n{text}");
    assert_eq!(code, 1, "{text}");
    let mends = text.lines().filter(|line| line.starts_with("    mend: ")).count();
    assert!(mends >= 4, "each has its mend:\n{text}");
    for line in [
        "services      1 fault",
        "dead-letters  1 warning",
        "[aggregate_parked]",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }

    depot.process(Service::Projector).restart().unwrap();
    let token = depot.token("root", Role::Admin);
    let discard = ["dlq", "discard", "--group", &saga, "--note", "made by a test"];
    let tool = depot
        .start_tool(&discard, &[("DEPOT_TOKEN", token.as_str())])
        .unwrap();
    let discarded = tool.wait_with_output().await.unwrap();
    assert!(discarded.status.success(), "{discarded:?}");
    execute(&depot.database, "DELETE FROM command.outbox_parked_aggregates").await;
    healthy(&depot).await;
}
