//! Problem documents and their documentation.

use axum::Router;
use depot_service::problem::{FieldFault, Problem, ProblemType, chain, documentation, types};
use serde_json::Value;

use crate::requests::{body_text, get, problem};

const OWN: &[ProblemType] = &[ProblemType {
    name: "quota-exceeded",
    status: 409,
    title: "The quota is used up",
    description: "The owner has too little quota left.",
}];

#[test]
fn a_document_has_the_members_of_rfc_9457_and_its_extensions() {
    let problem = Problem::of(&OWN[0])
        .with_detail("5 bytes are missing.")
        .with_extension("limit_bytes", 10)
        .with_errors([FieldFault::new("/size_bytes", "is too large")]);
    let document: Value = serde_json::from_slice(&problem.to_json()).unwrap();
    assert_eq!(
        document,
        serde_json::json!({
            "type": "/problems/quota-exceeded", "title": "The quota is used up", "status": 409,
            "detail": "5 bytes are missing.", "limit_bytes": 10,
            "errors": [{"pointer": "/size_bytes", "detail": "is too large"}],
        })
    );
    let read_back: Problem = serde_json::from_value(document).unwrap();
    assert_eq!(read_back, problem);
}

#[test]
fn an_internal_problem_tells_nothing_of_its_cause() {
    let cause = std::io::Error::other("password=hunter2");
    for problem in [
        Problem::internal(&cause),
        Problem::unavailable("the database", &cause),
    ] {
        assert!(!String::from_utf8(problem.to_json()).unwrap().contains("hunter2"));
    }
}

#[test]
fn a_chain_lists_the_sources_once() {
    let error = depot_service::process::BindError {
        address: "127.0.0.1:1".parse().unwrap(),
        source: std::io::Error::other("denied"),
    };
    assert_eq!(
        chain(&error),
        "cannot listen on 127.0.0.1:1; is the port in use?: denied"
    );
}

#[tokio::test]
async fn every_type_is_documented_under_its_uri() {
    let router: Router = documentation(OWN);
    for kind in types::GENERAL.iter().chain(OWN) {
        let document: Value =
            serde_json::from_str(&body_text(get(&router, &kind.uri()).await).await).unwrap();
        assert_eq!(document["title"], kind.title);
        assert!(!document["description"].as_str().unwrap().is_empty());
    }
    let all: Value = serde_json::from_str(&body_text(get(&router, "/problems").await).await).unwrap();
    assert_eq!(
        all["problems"].as_array().unwrap().len(),
        types::GENERAL.len() + 1
    );
    assert!(
        problem(get(&router, "/problems/no-such").await)
            .await
            .is(&types::NOT_FOUND)
    );
}

#[test]
fn the_schema_names_the_members() {
    use utoipa::PartialSchema as _;
    let schema = serde_json::to_value(Problem::schema()).unwrap();
    let members = schema["properties"].as_object().unwrap();
    for member in [
        "type", "title", "status", "detail", "instance", "errors", "trace_id",
    ] {
        assert!(members.contains_key(member), "{member}: {schema}");
    }
    assert!(!members.contains_key("headers"), "{schema}");
}
