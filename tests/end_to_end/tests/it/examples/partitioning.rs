//! docs/partitioning.md: more partitions, by topics of another prefix.

use crate::long::is_left_out;
use depot_end_to_end::{Depot, Service};
use depot_schemas::topics::Topics;
use depot_service::auth::Role;
use depot_test_stack::{settings, wait_until};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use serde_json::json;

use super::{page::marked, shell::Shell};

const PAGE: &str = "docs/partitioning.md";
const PARTITIONS: &str = "4";

#[tokio::test(flavor = "multi_thread")]
async fn topics_with_more_partitions_are_switched_to_as_the_page_says() {
    if is_left_out("the examples of docs/partitioning.md") {
        return;
    }
    let mut depot = Depot::start().await.unwrap();
    let (prefix, new) = (
        depot.backing.topics.prefix().to_owned(),
        format!("{}next", depot.backing.topics.prefix()),
    );
    let alice = depot.client("alice", Role::Writer);
    let before = alice
        .create_item("before", &json!({"name": "a"}))
        .await
        .unwrap()
        .text("id");
    alice.upload(&before, "a.bin", vec![7; 1000]).await.unwrap();

    let mut shell = Shell::on(&depot);
    shell.set("NEW", &*new);
    shell.set("PARTITIONS", PARTITIONS);
    shell.set("PAUSE", "1");
    shell.run(PAGE, &marked(PAGE, "tested: drain")).await;
    for service in Service::ALL {
        let process = depot.process(service);
        assert!(process.terminate().await.unwrap(), "{}", service.name());
        process.set("TOPIC_PREFIX", &new);
        process.set("TOPIC_PARTITIONS", PARTITIONS);
        process.restart().unwrap();
    }
    for service in Service::ALL {
        depot.wait_ready(service).await;
    }
    shell.run(PAGE, &marked(PAGE, "tested: switched")).await;

    // What was there is, and what comes reaches the views.
    let after = alice
        .create_item("after", &json!({"name": "b"}))
        .await
        .unwrap()
        .text("id");
    wait_until("the views have both", || async {
        let mut is_there = Vec::new();
        for id in [&before, &after] {
            let seen = alice
                .send(alice.query(&format!("/api/v1/items/{id}")))
                .await
                .unwrap();
            is_there.push(seen.status.is_success());
        }
        is_there == [true, true]
    })
    .await;
    let read: Vec<(String, i64)> = sqlx::query_as(
        "SELECT topic, sum(next_offset)::bigint FROM read.offsets WHERE next_offset > 0 GROUP BY topic ORDER BY topic",
    )
    .fetch_all(&depot.database)
    .await
    .unwrap();
    for prefix in [&prefix, &new] {
        assert!(
            read.iter()
                .any(|(topic, _)| topic.starts_with(&format!("{prefix}."))),
            "{prefix}: {read:?}"
        );
    }
    drop(depot);
    delete_topics(&new).await;
}

/// The others are the installation's, and go with it.
async fn delete_topics(prefix: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap();
    let specs = Topics::new(prefix).declared();
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let deleted = admin.delete_topics(&names, &AdminOptions::new()).await.unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}
