//! An item, from the request to the views.

use std::{collections::BTreeSet, fs};

use depot_end_to_end::Depot;
use depot_proto::v1::{
    self, command_service_client::CommandServiceClient, query_service_client::QueryServiceClient,
};
use depot_service::auth::Role;
use depot_test_stack::new_traceparent;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tonic::Request;

use super::{Ways, receiver::ToldSpan, trace_of, traced, tree::Tree, whole};

/// What a command on an item leads to, below the span of its request.
const BELOW: [&[&str]; 4] = [
    &["command-api CLIENT TRANSACTION command"],
    &[
        "command-api CLIENT TRANSACTION command",
        "command-api PRODUCER send {items}",
    ],
    &[
        "command-api CLIENT TRANSACTION command",
        "projector CONSUMER process {items}",
        "projector CLIENT TRANSACTION read",
    ],
    &[
        "command-api CLIENT TRANSACTION command",
        "projector CONSUMER process {items}",
        "projector CLIENT PIPELINE",
    ],
];

fn ways(depot: &Depot) -> Vec<Vec<String>> {
    ways_from(depot, "command-api SERVER POST /api/v1/items")
}

fn ways_from(depot: &Depot, root: &str) -> Vec<Vec<String>> {
    let ways = Ways::of(depot);
    let whole = |below: &&[&str]| {
        let steps: Vec<_> = std::iter::once(root).chain(below.iter().copied()).collect();
        ways.way(&steps)
    };
    BELOW.iter().map(whole).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_over_grpc_leads_to_what_one_over_rest_does() {
    let (depot, receiver) = traced(&[]).await;
    let (traceparent, trace) = new_traceparent(true);
    let token = format!("Bearer {}", depot.token("alice", Role::Writer));
    let mut create = Request::new(v1::CreateItemRequest {
        item: Some(v1::ItemContent {
            name: "a".into(),
            ..Default::default()
        }),
    });
    for (name, value) in [
        ("authorization", token.as_str()),
        ("idempotency-key", "k"),
        ("traceparent", traceparent.as_str()),
    ] {
        create.metadata_mut().insert(name, value.parse().unwrap());
    }
    let url = depot.command_grpc_url();
    let mut commands = CommandServiceClient::connect(url).await.unwrap();
    let created = commands.create_item(create).await.unwrap().into_inner();

    let ways = ways_from(&depot, "command-api SERVER depot.v1.CommandService/CreateItem");
    let tree = whole(&receiver, &trace, &ways).await;
    let call = &tree.roots[0].span;
    for (attribute, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "depot.v1.CommandService"),
        ("rpc.method", "CreateItem"),
        ("rpc.response.status_code", "OK"),
    ] {
        assert_eq!(call.attribute(attribute), value, "{attribute}");
    }

    // The version that the command answered is one that a question may name.
    let mut read = Request::new(v1::GetItemRequest {
        id: created.id,
        at_least: Some(v1::AtLeast {
            min_version: created.version,
            wait: Some(prost_types::Duration {
                seconds: 30,
                nanos: 0,
            }),
        }),
    });
    read.metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let mut questions = QueryServiceClient::connect(depot.grpc_url()).await.unwrap();
    assert_eq!(questions.get_item(read).await.unwrap().into_inner().name, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_one_trace_from_the_request_to_postgres_and_redis() {
    let (depot, receiver) = traced(&[]).await;
    let alice = depot.client("alice", Role::Writer);
    let created = alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");

    let trace = trace_of(&receiver, "command-api", "POST /api/v1/items").await;
    let ways = ways(&depot);
    let tree = whole(&receiver, &trace, &ways).await;
    assert_eq!(tree.services(), BTreeSet::from(["command-api", "projector"]));
    assert_eq!(tree.all().len(), 6, "each is told once\n{tree}");
    assert!(tree.all().iter().all(|span| !span.is_error), "{tree}");

    let span = |way: &[String]| tree.at(way).unwrap().span.clone();
    let request = span(&ways[0][..1]);
    assert_eq!(request.attribute("http.request.method"), "POST");
    assert_eq!(request.attribute("http.route"), "/api/v1/items");
    assert_eq!(request.attribute("http.response.status_code"), "201");
    let transaction = span(&ways[0]);
    check_transaction(&transaction, "command");
    // Alone in its transaction: by the conventions that is no batch.
    assert_eq!(transaction.attribute("db.operation.batch.size"), "");

    let (send, process) = (span(&ways[1]), span(&ways[2][..3]));
    check_messages(&depot, &send, &process);
    assert_eq!(
        process.links,
        [transaction.id],
        "linked to what caused the message"
    );
    check_transaction(&span(&ways[2]), "read");
    let cache = span(&ways[3]);
    assert_eq!(cache.attribute("db.system.name"), "redis");
    assert_eq!(
        cache.attribute("db.operation.batch.size"),
        "2",
        "entry and notice"
    );
    check_order(&tree);
    check_log_lines(&depot, &trace, &tree);
}

/// Commands that come together share transactions, of command-api and of the projector, and none of them loses its trace.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_share_a_transaction_have_a_trace_each() {
    const COMMANDS: usize = 24;
    let (depot, receiver) = traced(&[]).await;
    let alice = depot.client("alice", Role::Writer);
    let traces: Vec<_> = (0..COMMANDS).map(|_| new_traceparent(true)).collect();
    let commands = traces.iter().map(|(traceparent, trace)| {
        let request = alice
            .command(Method::POST, "/api/v1/items")
            .header("Idempotency-Key", trace)
            .header("traceparent", traceparent)
            .json(&json!({"name": "a"}));
        alice.send(request)
    });
    for created in join_all(commands).await {
        assert_eq!(created.unwrap().status, StatusCode::CREATED);
    }
    let ways = ways(&depot);
    let mut ids = BTreeSet::new();
    for (_, trace) in &traces {
        let tree = whole(&receiver, trace, &ways).await;
        // Of the caller, which is not among these spans.
        assert!(tree.roots[0].span.parent_id.is_some());
        for span in tree.all() {
            assert!(ids.insert(span.id.clone()), "a span in two traces: {span:?}");
        }
    }
}

fn check_transaction(span: &ToldSpan, schema: &str) {
    assert_eq!(span.attribute("db.system.name"), "postgresql");
    assert_eq!(span.attribute("db.operation.name"), "TRANSACTION");
    assert_eq!(span.attribute("depot.transaction.outcome"), "committed");
    let namespace = span.attribute("db.namespace");
    assert!(namespace.ends_with(&format!("|{schema}")), "{namespace}");
}

fn check_messages(depot: &Depot, send: &ToldSpan, process: &ToldSpan) {
    for (span, operation) in [(send, "send"), (process, "process")] {
        assert_eq!(span.attribute("messaging.system"), "kafka");
        assert_eq!(span.attribute("messaging.operation.name"), operation);
        assert_eq!(span.attribute("messaging.operation.type"), operation);
        assert_eq!(
            span.attribute("messaging.destination.name"),
            Ways::of(depot).items
        );
    }
    for shared in [
        "messaging.destination.partition.id",
        "messaging.kafka.offset",
        "messaging.message.id",
    ] {
        assert_eq!(send.attribute(shared), process.attribute(shared), "{shared}");
        assert!(!send.attribute(shared).is_empty(), "{shared}");
    }
    assert_eq!(
        process.attribute("messaging.consumer.group.name"),
        depot.topics().group("projector")
    );
}

/// Nothing begins before what caused it has begun: all are processes of one machine, and of one clock.
fn check_order(tree: &Tree) {
    let mut left: Vec<_> = tree.roots.iter().collect();
    while let Some(node) = left.pop() {
        assert!(node.span.began_ns <= node.span.ended_ns, "{:?}", node.span);
        for child in &node.children {
            assert!(node.span.began_ns <= child.span.began_ns, "{:?}", child.span);
        }
        left.extend(&node.children);
    }
}

/// What is logged of the request names its trace and its span.
fn check_log_lines(depot: &Depot, trace: &str, tree: &Tree) {
    let texts = depot
        .logs()
        .into_iter()
        .map(|log| fs::read_to_string(log).unwrap());
    let text = texts.collect::<Vec<_>>().join("\n");
    let of_trace: Vec<_> = text.lines().filter(|line| line.contains(trace)).collect();
    let answered = of_trace.iter().find(|line| line.contains("request answered"));
    let answered = answered.unwrap_or_else(|| panic!("{of_trace:?}"));
    assert!(
        answered.contains(&tree.roots[0].span.id) && answered.contains("span_id"),
        "{answered}"
    );
}
