//! Who decides what is recorded: the caller, and where there is none, the setting.

use std::collections::BTreeSet;

use depot_end_to_end::Service;
use depot_service::auth::Role;
use depot_test_stack::new_traceparent;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Ways, traced, whole};

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_sampled_only_what_the_caller_records_is_exported() {
    let (mut depot, receiver) = traced(&[("OTEL_TRACES_SAMPLER_ARG", "0")]).await;
    let alice = depot.client("alice", Role::Writer);
    let recorded = new_traceparent(true);
    let not_recorded = new_traceparent(false);
    let mut items = Vec::new();
    for (key, traceparent) in [
        ("1", None),
        ("2", Some(&not_recorded.0)),
        ("3", Some(&recorded.0)),
        ("4", None),
    ] {
        let request = alice
            .command(Method::POST, "/api/v1/items")
            .header("Idempotency-Key", key)
            .json(&json!({"name": "a"}));
        let request = match traceparent {
            Some(traceparent) => request.header("traceparent", traceparent),
            None => request,
        };
        let created = alice.send(request).await.unwrap();
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        items.push(created.text("id"));
    }
    for item in &items {
        let read = alice.read_at_least(&format!("/api/v1/items/{item}"), "1").await;
        assert_eq!(read.unwrap().status, StatusCode::OK);
    }
    let way = Ways::of(&depot).way(&[
        "command-api SERVER POST /api/v1/items",
        "command-api CLIENT TRANSACTION command",
        "projector CONSUMER process {items}",
        "projector CLIENT PIPELINE",
    ]);
    let tree = whole(&receiver, &recorded.1, &[way]).await;
    assert_eq!(tree.services(), BTreeSet::from(["command-api", "projector"]));
    // At its end a service exports what is left.
    for service in Service::ALL {
        assert!(depot.process(service).terminate().await.unwrap(), "{service:?}");
    }
    let others: Vec<_> = receiver
        .spans()
        .into_iter()
        .filter(|span| span.trace_id != recorded.1)
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}
