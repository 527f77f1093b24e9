//! Questions over REST and gRPC, and where their answers come from.

use std::collections::BTreeSet;

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use depot_test_stack::{eventually, new_traceparent};
use reqwest::StatusCode;
use serde_json::json;
use tonic::Request;

use super::{traced, whole};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_told_with_what_it_asks_of_redis_and_postgres() {
    let (depot, receiver) = traced(&[]).await;
    let alice = depot.client("alice", Role::Writer);
    let created = alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    let path = format!("/api/v1/items/{}", created.text("id"));
    let read = alice.read_at_least(&path, "1").await.unwrap();
    assert_eq!(read.status, StatusCode::OK, "{read:?}");

    // Until one of them finds that the process holds nothing of it any more, and asks Redis.
    let in_redis = ["query-api SERVER GET /api/v1/items/{id}", "query-api CLIENT GET"].map(str::to_owned);
    let trace = eventually("a read asks Redis", || async {
        let (traceparent, trace) = new_traceparent(true);
        let request = alice.query(&path).header("traceparent", traceparent);
        assert_eq!(alice.send(request).await.unwrap().status, StatusCode::OK);
        let told = eventually("the read is told", || async {
            let spans = receiver.spans().into_iter();
            let of_trace: Vec<_> = spans.filter(|span| span.trace_id == trace).collect();
            let is_whole = of_trace.iter().any(|span| span.kind == "SERVER");
            is_whole.then_some(of_trace)
        })
        .await;
        told.iter().any(|span| span.name == "GET").then_some(trace)
    })
    .await;
    let tree = whole(&receiver, &trace, &[in_redis.to_vec()]).await;
    let asked = &tree.at(&in_redis).unwrap().span;
    assert_eq!(asked.attribute("db.system.name"), "redis");
    assert_eq!(asked.attribute("db.operation.name"), "GET");
    assert_eq!(tree.services(), BTreeSet::from(["query-api"]));

    let (traceparent, trace) = new_traceparent(true);
    let mut client = QueryServiceClient::connect(depot.grpc_url()).await.unwrap();
    let mut list = Request::new(v1::ListItemsRequest::default());
    let token = format!("Bearer {}", depot.token("alice", Role::Writer));
    list.metadata_mut()
        .insert("authorization", token.parse().unwrap());
    list.metadata_mut()
        .insert("traceparent", traceparent.parse().unwrap());
    client.list_items(list).await.unwrap();
    let in_postgres = [
        "query-api SERVER depot.v1.QueryService/ListItems",
        "query-api CLIENT SELECT read.items",
    ]
    .map(str::to_owned);
    let tree = whole(&receiver, &trace, &[in_postgres.to_vec()]).await;
    let call = &tree.roots[0].span;
    for (attribute, value) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "depot.v1.QueryService"),
        ("rpc.method", "ListItems"),
        ("rpc.grpc.status_code", "0"),
        ("rpc.response.status_code", "OK"),
    ] {
        assert_eq!(call.attribute(attribute), value, "{attribute}");
    }
    let asked = &tree.at(&in_postgres).unwrap().span;
    assert_eq!(asked.attribute("db.system.name"), "postgresql");
    assert_eq!(asked.attribute("db.collection.name"), "read.items");
}
