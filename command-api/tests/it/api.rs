use serde_json::Value;

use crate::service::{QUERY, Service};

#[tokio::test]
async fn reads_are_answered_307_to_the_query_api_with_path_and_query() {
    let service = Service::without_database().await;
    for path in [
        "/api/v1/items",
        "/api/v1/items?tag=a%20b&limit=5",
        "/api/v1/items:export?owner=alice",
        "/api/v1/items/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f",
        "/api/v1/items/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f/history?cursor=x",
        "/api/v1/uploads/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f",
        "/api/v1/uploads/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f/file",
    ] {
        let answer = service.by("alice", "GET", path).send().await.expect(307);
        assert_eq!(answer.header("location"), Some(format!("{QUERY}{path}").as_str()));
    }
}

#[tokio::test]
async fn only_listed_origins_may_call_and_they_may_read_the_headers_that_matter() {
    let service = Service::without_database().await;
    let preflight = |origin: &str| {
        service
            .bare("OPTIONS", "/api/v1/items")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "PATCH")
            .header("Access-Control-Request-Headers", "idempotency-key,if-match")
    };
    let allowed = preflight("https://shop.example").send().await.expect(200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    let methods = allowed.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("PATCH"), "{methods}");
    let refused = preflight("https://evil.example").send().await;
    assert_eq!(refused.header("access-control-allow-origin"), None);

    let call = service
        .by("alice", "DELETE", "/api/v1/items/x")
        .header("Origin", "https://shop.example");
    let exposed = call.send().await;
    let exposed = exposed
        .header("access-control-expose-headers")
        .unwrap()
        .to_ascii_lowercase();
    for header in ["etag", "location", "link", "retry-after", "idempotency-replayed"] {
        assert!(
            exposed.split(',').any(|name| name.trim() == header),
            "{header} in {exposed}"
        );
    }
}

#[tokio::test]
async fn the_openapi_document_names_every_route_and_the_bearer_scheme() {
    let service = Service::without_database().await;
    let document = service
        .bare("GET", "/api/v1/openapi.json")
        .send()
        .await
        .expect(200)
        .json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        operations.extend(
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(|method| format!("{method} {path}")),
        );
    }
    operations.sort();
    let expected = [
        "delete /api/v1/items/{id}",
        "delete /api/v1/uploads/{id}",
        "get /api/v1/accounts/{owner}",
        "get /api/v1/admin/dlq",
        "get /api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}",
        "get /api/v1/admin/outbox",
        "get /api/v1/admin/republish",
        "get /api/v1/admin/sagas",
        "get /api/v1/admin/sagas/{saga}/{id}",
        "get /api/v1/admin/trace/{id}",
        "get /api/v1/health",
        "get /api/v1/openapi.json",
        "get /api/v1/uploads/{id}/parts",
        "get /docs",
        "get /health",
        "get /problems",
        "get /problems/{name}",
        "patch /api/v1/items/{id}",
        "post /api/v1/admin/dlq/discard",
        "post /api/v1/admin/dlq/redrive",
        "post /api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/discard",
        "post /api/v1/admin/dlq/{group}/{topic}/{partition}/{offset}/redrive",
        "post /api/v1/admin/outbox/parked/{aggregate}/resume",
        "post /api/v1/admin/republish",
        "post /api/v1/admin/sagas/{saga}/{id}/resume",
        "post /api/v1/admin/sweep",
        "post /api/v1/items",
        "post /api/v1/items:batch",
        "post /api/v1/items:import",
        "post /api/v1/uploads",
        "post /api/v1/uploads/{id}/complete",
        "post /api/v1/uploads/{id}/parts",
        "put /api/v1/accounts/{owner}/limit",
        "put /api/v1/items/{id}",
        "put /api/v1/uploads/{id}/content",
    ];
    assert_eq!(operations, expected);
    let dangling = references(&document)
        .into_iter()
        .find(|reference| document.pointer(reference.trim_start_matches('#')).is_none());
    assert_eq!(dangling, None);
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(reference) if name == "$ref" => vec![reference.to_owned()],
                _ => references(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn every_kind_of_problem_has_its_page() {
    let service = Service::without_database().await;
    let all = service.bare("GET", "/problems").send().await.expect(200).json();
    let all = all["problems"].as_array().unwrap();
    assert!(all.len() > 20);
    for problem in all {
        let page = problem["type"].as_str().unwrap();
        assert_eq!(
            service.bare("GET", page).send().await.expect(200).json(),
            *problem
        );
    }
    service
        .bare("GET", "/problems/no-such-thing")
        .send()
        .await
        .expect_problem(404, "not-found");
}

#[tokio::test]
async fn health_needs_no_token() {
    let service = Service::without_database().await;
    for path in ["/health", "/api/v1/health"] {
        service.bare("GET", path).send().await.expect(200);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let service = Service::without_database().await;
    service
        .by("alice", "GET", "/api/v2/items")
        .send()
        .await
        .expect_problem(404, "not-found");
    let refused = service.by("alice", "PUT", "/api/v1/items").send().await;
    let refused = refused.expect_problem(405, "method-not-allowed");
    assert!(refused.header("allow").unwrap().contains("POST"));
}
