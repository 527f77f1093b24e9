//! What the standard layers do to requests that go wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use depot_retry::Bulkhead;
use depot_service::config::HttpConfig;
use depot_service::layers::{bulk_layers, duplex_layers, standard_layers};
use depot_service::problem::types;
use http::{HeaderValue, Request};
use tokio::sync::Notify;

use crate::requests::{body_text, get as get_path, header, problem, send};

fn wrap(routes: Router) -> Router {
    standard_layers(routes, &HttpConfig::default())
}

#[tokio::test]
async fn a_panic_is_a_500_problem_without_its_message() {
    async fn broken() -> &'static str {
        panic!("a secret of the handler")
    }
    let response = get_path(&wrap(Router::new().route("/", get(broken))), "/").await;
    let problem = problem(response).await;
    assert!(problem.is(&types::INTERNAL));
    assert!(!String::from_utf8(problem.to_json()).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_a_503_problem() {
    let routes = Router::new().route("/", get(std::future::pending::<&'static str>));
    let config = HttpConfig {
        request_timeout: Duration::from_millis(20),
        ..HttpConfig::default()
    };
    let router = standard_layers(routes, &config);
    let answer = tokio::time::timeout(Duration::from_secs(60), get_path(&router, "/")).await;
    let response = answer.expect("an answer though the handler never ends");
    assert_eq!(header(&response, "retry-after"), "1");
    assert!(problem(response).await.is(&types::TIMEOUT));
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_413_before_it_is_read() {
    let config = HttpConfig {
        max_body_bytes: 10,
        ..HttpConfig::default()
    };
    let router = standard_layers(Router::new().route("/", post(|| async { "handled" })), &config);
    let request = Request::post("/")
        .header("content-length", "11")
        .body(Body::empty())
        .unwrap();
    assert!(
        problem(send(&router, request).await)
            .await
            .is(&types::PAYLOAD_TOO_LARGE)
    );
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_at_once_and_taken_again_later() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        move || async move {
            entered.notify_one();
            release.notified().await;
            "done"
        }
    };
    let config = HttpConfig {
        max_concurrent_requests: 1,
        ..HttpConfig::default()
    };
    let router = standard_layers(
        Router::new()
            .route("/slow", get(handler))
            .route("/", get(|| async { "ok" })),
        &config,
    );
    let first = tokio::spawn({
        let router = router.clone();
        async move { get_path(&router, "/slow").await }
    });
    entered.notified().await;
    let refused = get_path(&router, "/").await;
    assert_eq!(header(&refused, "retry-after"), "1");
    assert!(problem(refused).await.is(&types::OVERLOADED));
    release.notify_one();
    assert_eq!(body_text(first.await.unwrap()).await, "done");
    assert_eq!(get_path(&router, "/").await.status(), 200);
}

#[tokio::test]
async fn an_unknown_path_and_another_method_are_problems() {
    let router = wrap(Router::new().route("/items", get(|| async { "ok" })));
    let missing = problem(get_path(&router, "/nowhere?secret=1").await).await;
    assert!(missing.is(&types::NOT_FOUND));
    assert_eq!(missing.instance.as_deref(), Some("/nowhere"));

    let response = send(&router, Request::delete("/items").body(Body::empty()).unwrap()).await;
    assert_eq!(header(&response, "allow"), "GET,HEAD");
    assert!(problem(response).await.is(&types::METHOD_NOT_ALLOWED));
}

#[tokio::test]
async fn a_plain_server_error_is_a_problem_without_its_text() {
    let handler = || async { (http::StatusCode::INTERNAL_SERVER_ERROR, "password=hunter2") };
    let problem = problem(get_path(&wrap(Router::new().route("/", get(handler))), "/").await).await;
    assert!(problem.is(&types::INTERNAL));
    assert!(!String::from_utf8(problem.to_json()).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn an_error_in_a_media_type_of_its_own_is_left_alone() {
    let handler = || async {
        (
            http::StatusCode::CONFLICT,
            [("content-type", "application/json")],
            "{}",
        )
    };
    let response = get_path(&wrap(Router::new().route("/", get(handler))), "/").await;
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(body_text(response).await, "{}");
}

#[tokio::test]
async fn a_usable_request_id_is_kept_and_another_replaced() {
    let router = wrap(Router::new().route("/", get(|| async { "ok" })));
    let request = |id: &'static [u8]| {
        let value = HeaderValue::from_bytes(id).unwrap();
        Request::get("/")
            .header("x-request-id", value)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        header(&send(&router, request(b"abc-1")).await, "x-request-id"),
        "abc-1"
    );
    assert_ne!(
        header(&send(&router, request(b"two words")).await, "x-request-id"),
        "two words"
    );
    assert_eq!(header(&get_path(&router, "/").await, "x-request-id").len(), 36);
}

#[tokio::test]
async fn answers_to_browsers_and_to_others_vary_by_the_same() {
    let routes = Router::new().route("/", get(|| async { ([("vary", "authorization")], "ok") }));
    let router = wrap(routes);
    let vary = async |request: http::request::Builder| {
        let response = send(&router, request.body(Body::empty()).unwrap()).await;
        let values = response.headers().get_all("vary").iter();
        let mut values: Vec<_> = values.map(|value| value.to_str().unwrap().to_owned()).collect();
        values.sort();
        values
    };
    let of_a_browser = vary(Request::get("/").header("origin", "http://localhost:3000")).await;
    assert_eq!(vary(Request::get("/")).await, of_a_browser);
    assert!(
        of_a_browser.iter().any(|value| value.contains("origin")),
        "{of_a_browser:?}"
    );
    assert!(
        of_a_browser.contains(&"authorization".to_owned()),
        "{of_a_browser:?}"
    );
}

#[tokio::test]
async fn only_listed_origins_may_read_answers_and_they_see_the_headers() {
    let origin = HeaderValue::from_static("http://localhost:3000");
    let config = HttpConfig {
        cors_origins: vec![origin],
        ..HttpConfig::default()
    };
    let router = standard_layers(Router::new().route("/", get(|| async { "ok" })), &config);
    let from = |origin| {
        Request::get("/")
            .header("origin", origin)
            .body(Body::empty())
            .unwrap()
    };

    let allowed = send(&router, from("http://localhost:3000")).await;
    assert_eq!(
        header(&allowed, "access-control-allow-origin"),
        "http://localhost:3000"
    );
    let exposed = header(&allowed, "access-control-expose-headers").to_owned();
    for name in ["etag", "location", "link", "retry-after", "idempotency-replayed"] {
        assert!(
            exposed.split(',').any(|exposed| exposed.trim() == name),
            "{name}: {exposed}"
        );
    }
    let other = send(&router, from("http://evil.example")).await;
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_route() {
    let origin = HeaderValue::from_static("http://localhost:3000");
    let config = HttpConfig {
        cors_origins: vec![origin],
        ..HttpConfig::default()
    };
    let router = standard_layers(Router::new().route("/", post(|| async { "ok" })), &config);
    let request = Request::options("/")
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,idempotency-key,if-match",
        )
        .body(Body::empty())
        .unwrap();
    let response = send(&router, request).await;
    assert_eq!(response.status(), 200);
    assert!(header(&response, "access-control-allow-headers").contains("idempotency-key"));
}

#[tokio::test]
async fn routes_that_bring_many_have_limits_of_their_own_beside_the_others() {
    let small = HttpConfig {
        max_body_bytes: 10,
        ..HttpConfig::default()
    };
    let larger = HttpConfig {
        max_body_bytes: 20,
        ..small.clone()
    };
    let taken = || post(|body: String| async move { body });
    let bulk = bulk_layers(
        Router::new().route("/many", taken()),
        &larger,
        Bulkhead::new("test batches", 1),
    );
    // Nothing limits what it reads of a body as a stream.
    let whole = post(|body: Body| async move {
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        bytes.len().to_string()
    });
    let duplex = duplex_layers(Router::new().route("/any", whole), &small);
    let router = standard_layers(Router::new().route("/one", taken()), &small)
        .merge(bulk)
        .merge(duplex);
    for (path, length, status) in [
        ("/one", 10, 200),
        ("/one", 11, 413),
        ("/many", 20, 200),
        ("/many", 21, 413),
        ("/any", 1_000, 200),
    ] {
        let request = Request::post(path)
            .header("content-length", length)
            .body(Body::from("x".repeat(length)))
            .unwrap();
        assert_eq!(
            send(&router, request).await.status(),
            status,
            "{path} with {length}"
        );
    }
}
