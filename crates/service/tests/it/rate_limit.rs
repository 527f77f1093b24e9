//! How often one principal may ask.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use depot_service::auth::{Door, Principal, Refused, Role, TokenMinter, TokenVerifier, require_admin};
use depot_service::config::{HttpConfig, JwtConfig, RateLimitConfig};
use depot_service::layers::standard_layers;
use depot_service::problem::types;
use http::{HeaderMap, Request};

use crate::requests::{header, problem, send};

const SECRET: &str = "a-secret-of-the-tests-with-enough-bytes";

fn limit(per_second: u32, burst: u32) -> RateLimitConfig {
    RateLimitConfig {
        per_second: NonZeroU32::new(per_second),
        burst: NonZeroU32::new(burst).unwrap(),
        max_principals: 1_000,
    }
}

fn door(limit: &RateLimitConfig) -> Arc<Door> {
    Door::new(TokenVerifier::new(&JwtConfig::for_secret(SECRET)), limit)
}

fn bearer(subject: &str, role: Role) -> String {
    let minter = TokenMinter::new(&JwtConfig::for_secret(SECRET));
    let token = minter.mint(subject, &[role], Duration::from_secs(3_600)).unwrap();
    format!("Bearer {token}")
}

fn headers(subject: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", bearer(subject, Role::Writer).parse().unwrap());
    headers
}

#[tokio::test]
async fn each_principal_has_its_own_allowance_whatever_token_it_shows() {
    let door = door(&limit(1, 3));
    for _ in 0..3 {
        // Another token each time: minted with an id of its own.
        assert!(door.enter(&headers("alice")).await.is_ok());
    }
    let refused = door.enter(&headers("alice")).await.unwrap_err();
    assert!(
        matches!(refused, Refused::TooMany { per_second: 1, .. }),
        "{refused:?}"
    );
    assert!(door.enter(&headers("bob")).await.is_ok());
}

#[tokio::test]
async fn after_the_time_that_was_told_the_next_request_is_let_in() {
    let door = door(&limit(2, 2));
    let alice = headers("alice");
    while door.enter(&alice).await.is_ok() {}
    let Err(Refused::TooMany { retry_after, .. }) = door.enter(&alice).await else {
        panic!("the allowance is used up");
    };
    assert_eq!(retry_after, Duration::from_secs(1));
    tokio::time::sleep(retry_after).await;
    assert!(door.enter(&alice).await.is_ok());
}

#[tokio::test]
async fn a_request_that_brings_many_waits_for_each_and_not_for_ever() {
    let quick = door(&limit(1_000, 1));
    for _ in 0..20 {
        assert_eq!(quick.grant("alice", Duration::from_secs(60)).await, Ok(()));
    }
    // Each took one of the same allowance.
    let slow = door(&limit(1, 2));
    assert!(slow.enter(&headers("alice")).await.is_ok());
    assert_eq!(slow.grant("alice", Duration::ZERO).await, Ok(()));
    let refused = loop {
        if let Err(refused) = slow.grant("alice", Duration::ZERO).await {
            break refused;
        }
    };
    assert!(
        matches!(refused, Refused::TooMany { per_second: 1, retry_after } if retry_after >= Duration::from_secs(1)),
        "{refused:?}"
    );
    assert_eq!(slow.grant("bob", Duration::ZERO).await, Ok(()));
}

#[tokio::test]
async fn a_token_that_is_not_good_uses_up_nothing() {
    let door = door(&limit(1, 1));
    let mut forged = HeaderMap::new();
    let other = TokenMinter::new(&JwtConfig::for_secret("another-secret-with-just-as-many-bytes"));
    let token = other
        .mint("alice", &[Role::Admin], Duration::from_secs(60))
        .unwrap();
    forged.insert("authorization", format!("Bearer {token}").parse().unwrap());
    for _ in 0..10 {
        assert!(matches!(door.enter(&forged).await, Err(Refused::Token(_))));
    }
    assert!(door.enter(&headers("alice")).await.is_ok());
}

#[tokio::test]
async fn many_principals_take_bounded_memory_and_the_busy_one_stays_limited() {
    let door = door(&RateLimitConfig {
        max_principals: 100,
        ..limit(1, 2)
    });
    let alice = headers("alice");
    let started = std::time::Instant::now();
    let mut let_in = 0;
    for n in 0..3_000 {
        assert!(door.enter(&headers(&format!("p{n}"))).await.is_ok());
        let_in += u64::from(door.enter(&alice).await.is_ok());
    }
    // Each time she were forgotten she would begin with two more.
    let granted = 2 + started.elapsed().as_secs() + 1;
    assert!(let_in <= granted, "{let_in} were let in, {granted} granted");
    assert!(door.principals().unwrap() <= 100, "{:?}", door.principals());
}

#[derive(Clone)]
struct State(Arc<Door>);

impl FromRef<State> for Arc<Door> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.0)
    }
}

/// Routes that ask twice who calls, behind a door that asks too, and without one.
fn router(door: Arc<Door>) -> Router {
    async fn twice(first: Principal, second: Principal) -> String {
        assert_eq!(first, second);
        first.subject.to_string()
    }
    let routes = Router::new()
        .route("/", get(twice))
        .layer(from_fn_with_state(Arc::clone(&door), require_admin))
        .route("/without", get(twice));
    standard_layers(routes, &HttpConfig::default()).with_state(State(door))
}

async fn call(router: &Router, path: &str) -> axum::response::Response {
    let request = Request::get(path).header("authorization", bearer("root", Role::Admin));
    send(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_request_is_counted_once_and_the_refusal_is_a_problem_with_the_time_to_wait() {
    // Slow enough that nothing is granted anew meanwhile, but for a machine that stands still.
    for path in ["/", "/without"] {
        let router = router(door(&limit(1, 8)));
        for n in 0..8 {
            assert_eq!(call(&router, path).await.status(), 200, "request {n} of {path}");
        }
    }
    let router = router(door(&limit(1, 1)));
    let refused = loop {
        let answer = call(&router, "/").await;
        if answer.status() != 200 {
            break answer;
        }
    };
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(header(&refused, "ratelimit-limit"), "1");
    assert_eq!(header(&refused, "ratelimit-remaining"), "0");
    assert_eq!(header(&refused, "ratelimit-reset"), "1");
    assert!(problem(refused).await.is(&types::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn without_a_limit_nobody_is_counted() {
    let door = door(&RateLimitConfig::default());
    let alice = headers("alice");
    for _ in 0..5_000 {
        assert!(door.enter(&alice).await.is_ok());
    }
    assert_eq!(door.principals(), None);
}
