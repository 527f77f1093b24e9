//! Bad bodies.

use axum::Router;
use axum::body::Body;
use axum::routing::{patch, post};
use depot_service::config::HttpConfig;
use depot_service::json::{JsonWithBytes, MergePatchJson, StrictJson};
use depot_service::layers::standard_layers;
use depot_service::problem::{Problem, types};
use http::Request;
use serde::Deserialize;

use crate::requests::{body_text, header, problem, send};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    size_bytes: i64,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    flag: bool,
}

fn router() -> Router {
    async fn create(StrictJson(body): StrictJson<Create>) -> String {
        let flag = body.inner.is_some_and(|inner| inner.flag);
        format!("{} {} {} {flag}", body.name, body.size_bytes, body.tags.len())
    }
    async fn change(body: JsonWithBytes<serde_json::Value, MergePatchJson>) -> String {
        format!("{} of {} bytes", body.value, body.bytes.len())
    }
    let routes = Router::new().route("/", post(create)).route("/", patch(change));
    standard_layers(
        routes,
        &HttpConfig {
            max_body_bytes: 2_000,
            ..HttpConfig::default()
        },
    )
}

async fn post_json(body: impl Into<Body>) -> axum::response::Response {
    post_as(Some("application/json"), body).await
}

async fn post_as(content_type: Option<&str>, body: impl Into<Body>) -> axum::response::Response {
    let mut request = Request::post("/");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    send(&router(), request.body(body.into()).unwrap()).await
}

fn pointers(problem: &Problem) -> Vec<&str> {
    problem
        .errors
        .iter()
        .map(|fault| fault.pointer.as_str())
        .collect()
}

#[tokio::test]
async fn a_good_body_is_parsed() {
    let body = r#"{"name":"a","size_bytes":3,"tags":["x"],"inner":{"flag":true}}"#;
    for content_type in ["application/json", "Application/JSON; charset=UTF-8"] {
        let response = post_as(Some(content_type), body).await;
        assert_eq!(body_text(response).await, "a 3 1 true");
    }
}

#[tokio::test]
async fn another_media_type_is_415_and_names_the_right_one() {
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/merge-patch+json"),
        Some("application/jsonx"),
        Some("application/json; charset=latin1"),
    ] {
        let response = post_as(content_type, r#"{"name":"a","size_bytes":3}"#).await;
        assert_eq!(
            header(&response, "accept"),
            "application/json",
            "{content_type:?}"
        );
        assert!(
            problem(response).await.is(&types::UNSUPPORTED_MEDIA_TYPE),
            "{content_type:?}"
        );
    }
}

#[tokio::test]
async fn a_compressed_body_is_415() {
    let request = Request::post("/")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    let response = send(&router(), request.body("{}".into()).unwrap()).await;
    assert!(problem(response).await.is(&types::UNSUPPORTED_MEDIA_TYPE));
}

#[tokio::test]
async fn malformed_json_is_400_with_its_place() {
    for (body, place) in [
        ("", "ends before"),
        ("{", "ends before"),
        ("{\"name\":\n x}", "line 2, column 2"),
        (r#"{"name":"a","size_bytes":3} x"#, "column 29"),
        (r#"{"name":5,"size_bytes":x}"#, "column 24"),
    ] {
        let problem = problem(post_json(body).await).await;
        assert!(problem.is(&types::MALFORMED_JSON), "{body}");
        assert!(
            problem.detail.as_ref().unwrap().contains(place),
            "{body}: {problem:?}"
        );
    }
}

#[tokio::test]
async fn bad_utf8_is_400_with_its_place() {
    let problem = problem(post_json(&b"{\"name\":\"\xff\"}"[..]).await).await;
    assert!(problem.is(&types::MALFORMED_JSON));
    assert_eq!(
        problem.detail.as_deref(),
        Some("The body is not UTF-8 at byte 9.")
    );
}

#[tokio::test]
async fn deep_nesting_is_400() {
    let body = format!("{}{}", "[".repeat(900), "]".repeat(900));
    assert!(problem(post_json(body).await).await.is(&types::MALFORMED_JSON));
}

#[tokio::test]
async fn all_faults_of_shape_are_named_at_once() {
    let body = r#"{"nam/e":"a","size_bytes":"3","tags":["x",5],"inner":{"flag":1,"more":2},"owner":"bob"}"#;
    let problem = problem(post_json(body).await).await;
    assert!(problem.is(&types::VALIDATION_FAILED));
    let mut found = pointers(&problem);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/inner/flag",
            "/inner/more",
            "/name",
            "/nam~1e",
            "/owner",
            "/size_bytes",
            "/tags/1"
        ],
        "{problem:?}"
    );
    let detail = |pointer| {
        &problem
            .errors
            .iter()
            .find(|fault| fault.pointer == pointer)
            .unwrap()
            .detail
    };
    assert_eq!(detail("/name"), "is required");
    assert_eq!(detail("/owner"), "is not a field of this body");
    assert!(detail("/size_bytes").contains("expected i64"), "{problem:?}");
}

#[tokio::test]
async fn every_missing_field_is_named() {
    let problem = problem(post_json("{}").await).await;
    assert_eq!(pointers(&problem), ["/name", "/size_bytes"], "{problem:?}");
}

#[tokio::test]
async fn a_field_given_twice_and_a_body_of_another_kind_are_422() {
    for body in [r#"{"name":"a","name":"b","size_bytes":3}"#, "[]", "null", "5"] {
        let problem = problem(post_json(body).await).await;
        assert!(problem.is(&types::VALIDATION_FAILED), "{body}");
        assert!(!problem.errors.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_or_not_it_says_so() {
    let large = vec![b' '; 3_000];
    let said = problem(post_json(large.clone()).await).await;
    let chunks = futures::stream::iter(
        large
            .chunks(500)
            .map(|c| Ok::<_, std::io::Error>(c.to_vec()))
            .collect::<Vec<_>>(),
    );
    let unsaid = problem(post_json(Body::from_stream(chunks)).await).await;
    for problem in [said, unsaid] {
        assert!(problem.is(&types::PAYLOAD_TOO_LARGE), "{problem:?}");
        assert_eq!(problem.extensions["limit_bytes"], 2_000);
    }
}

#[tokio::test]
async fn a_merge_patch_has_its_own_media_type_and_keeps_its_bytes() {
    let patch = |content_type| Request::patch("/").header("content-type", content_type);
    let good = send(
        &router(),
        patch("application/merge-patch+json")
            .body("{ \"a\" : 1 }".into())
            .unwrap(),
    )
    .await;
    assert_eq!(body_text(good).await, r#"{"a":1} of 11 bytes"#);
    let other = send(&router(), patch("application/json").body("{}".into()).unwrap()).await;
    assert_eq!(header(&other, "accept-patch"), "application/merge-patch+json");
    assert!(problem(other).await.is(&types::UNSUPPORTED_MEDIA_TYPE));
}
