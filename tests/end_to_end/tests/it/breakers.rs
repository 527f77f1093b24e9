//! A dependency of one service is cut off and comes back: what its users are told, and what the metrics show.
//!
//! Each service is a process of the test's own, so that what is counted is what the test has caused.

use depot_end_to_end::{Answer, Backing, Client, Depot, Service, sha256_hex};
use depot_service::auth::Role;
use depot_test_stack::{Gate, ServiceRole, settings, wait_until};
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

fn expect_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.text("type").ends_with("unavailable"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// What a service says of a breaker or a bulkhead.
async fn shown(depot: &Depot, service: Service, name: &str, label: &str) -> f64 {
    depot
        .metric(service, &format!("{name}{{{label}}}"))
        .await
        .unwrap()
}

const STORE: &str = "dependency=\"object store\"";

/// A Depot whose command-api reaches the object store by a gate, and an upload in parts, of which the first was signed.
async fn behind_a_store_gate() -> (Depot, Gate, Client, String) {
    let gate = Gate::to(settings().get("MINIO_ENDPOINT")).await;
    let depot = Depot::start_with(&[
        ("COMMAND_API_MINIO_ENDPOINT", &gate.endpoint),
        // A machine that stands still is not what is tested.
        ("COMMAND_API_DATABASE_ACQUIRE_TIMEOUT_MS", "60000"),
        ("MULTIPART_OVER_BYTES", "1000"),
        ("MULTIPART_PART_BYTES", "5242880"),
        ("RATE_LIMIT_PER_SECOND", "0"),
    ])
    .await
    .unwrap();
    let alice = depot.client("alice", Role::Writer);
    let id = announce(&alice, 6_000_000, "0".repeat(64)).await;
    assert_eq!(alice.sign_parts(&id, 1, 1).await.unwrap().status, StatusCode::OK);
    (depot, gate, alice, id)
}

async fn announce(client: &Client, size: usize, sha256: String) -> String {
    let key = Uuid::now_v7().to_string();
    let item = client.create_item(&key, &json!({"name": "a"})).await.unwrap();
    let item = item.text("id");
    let announced = client
        .request_upload(&item, "a.bin", size, &sha256)
        .await
        .unwrap();
    assert_eq!(announced.status, StatusCode::CREATED, "{announced:?}");
    announced.text("id")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_object_store_is_cut_off_what_needs_it_is_refused_without_asking_and_it_comes_back() {
    let (depot, gate, alice, in_parts) = behind_a_store_gate().await;
    let whole = announce(&alice, 3, sha256_hex(b"abc")).await;
    // Its first part is what the store is told of first.
    let unbegun = announce(&alice, 6_000_000, "0".repeat(64)).await;
    let shown = async |name| shown(&depot, Service::CommandApi, name, STORE).await;
    let content = async |bytes: &'static [u8]| {
        alice
            .put_content(&whole, bytes.len(), bytes.into())
            .await
            .unwrap()
    };
    assert_eq!(
        alice.arrived_parts(&in_parts).await.unwrap().status,
        StatusCode::OK
    );
    assert_eq!(
        (
            shown("depot_breaker_open").await,
            shown("depot_breaker_opened_total").await
        ),
        (0.0, 0.0)
    );

    gate.shut();
    wait_until("the store is known to be away", || async {
        expect_unavailable(&alice.arrived_parts(&in_parts).await.unwrap());
        shown("depot_breaker_opened_total").await == 1.0
    })
    .await;
    assert_eq!(shown("depot_breaker_open").await, 1.0);
    let refused = shown("depot_breaker_refused_total").await;
    for _ in 0..20 {
        expect_unavailable(&alice.arrived_parts(&in_parts).await.unwrap());
        expect_unavailable(&alice.sign_parts(&unbegun, 1, 1).await.unwrap());
    }
    assert!(shown("depot_breaker_refused_total").await > refused);
    expect_unavailable(&content(b"abc").await);
    // A client that sends something else than it announced says nothing of the store.
    wait_until("the one who may try is a client with another file", || async {
        let answer = content(b"abd").await;
        answer.status == StatusCode::UNPROCESSABLE_ENTITY
    })
    .await;
    assert_eq!(
        shown("depot_breaker_open").await,
        1.0,
        "nobody has reached the store"
    );
    // What needs no store goes on.
    announce(&alice, 3, sha256_hex(b"abc")).await;

    gate.open();
    wait_until("the store is asked again", || async {
        alice.arrived_parts(&in_parts).await.unwrap().status == StatusCode::OK
    })
    .await;
    assert_eq!(
        (
            shown("depot_breaker_open").await,
            shown("depot_breaker_opened_total").await
        ),
        (0.0, 1.0)
    );
    assert_eq!(content(b"abc").await.status, StatusCode::ACCEPTED);
}

/// `CALLS` of `command-api/src/staging.rs`.
const PLACES: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_silent_takes_so_many_places_and_no_other_requests() {
    let (depot, gate, alice, id) = behind_a_store_gate().await;
    let shown = async |name| shown(&depot, Service::CommandApi, name, "bulkhead=\"object store\"").await;
    assert_eq!(shown("depot_bulkhead_in_use").await, 0.0);
    gate.hold();
    let mut asking = JoinSet::new();
    for _ in 0..5 * PLACES {
        let (alice, id) = (alice.clone(), id.clone());
        asking.spawn(async move { alice.arrived_parts(&id).await.unwrap() });
    }
    for _ in 0..4 * PLACES {
        expect_unavailable(&asking.join_next().await.unwrap().unwrap());
    }
    assert_eq!(shown("depot_bulkhead_in_use").await, PLACES as f64);
    assert_eq!(shown("depot_bulkhead_refused_total").await, 4.0 * PLACES as f64);
    announce(&alice, 3, sha256_hex(b"abc")).await;

    gate.open();
    for answer in asking.join_all().await {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(shown("depot_bulkhead_in_use").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn query_api_shows_that_its_database_or_its_cache_is_away_and_that_it_is_back() {
    let backing = Backing::create().await.unwrap();
    let url = url::Url::parse(&backing.database.url(ServiceRole::Query)).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let database = Gate::to(&server).await;
    let cache = Gate::to(settings().redis_addr()).await;
    let url = url.as_str().replace(&server, database.address());
    let settings = [
        ("QUERY_API_DATABASE_URL", url.as_str()),
        ("QUERY_API_REDIS_ADDR", cache.address()),
        ("LOCAL_CACHE_TTL_MS", "0"),
        ("RATE_LIMIT_PER_SECOND", "0"),
    ];
    let depot = Depot::start_on(backing, &settings).await.unwrap();
    let alice = depot.client("alice", Role::Writer);
    let created = alice.create_item("k", &json!({"name": "a"})).await.unwrap();
    let path = format!("/api/v1/items/{}", created.text("id"));
    assert_eq!(
        alice.read_at_least(&path, "1").await.unwrap().status,
        StatusCode::OK
    );
    let shown = async |name, label| shown(&depot, Service::QueryApi, name, label).await;
    let (postgres, redis) = ("dependency=\"postgres\"", "dependency=\"redis\"");
    let read = async |path: &str| alice.send(alice.query(path)).await.unwrap();

    cache.shut();
    wait_until("Redis is known to be away", || async {
        assert_eq!(read(&path).await.status, StatusCode::OK, "from Postgres");
        shown("depot_breaker_open", redis).await == 1.0
    })
    .await;
    assert!(shown("depot_breaker_opened_total", redis).await >= 1.0);
    wait_until("Redis is passed by", || async {
        assert_eq!(read(&path).await.status, StatusCode::OK);
        shown("depot_breaker_refused_total", redis).await >= 1.0
    })
    .await;
    cache.open();
    wait_until("Redis is asked again", || async {
        assert_eq!(read(&path).await.status, StatusCode::OK);
        shown("depot_breaker_open", redis).await == 0.0
    })
    .await;

    assert_eq!(shown("depot_breaker_opened_total", postgres).await, 0.0);
    let history = format!("{path}/history");
    database.shut();
    wait_until("the database is known to be away", || async {
        expect_unavailable(&read(&history).await);
        shown("depot_breaker_open", postgres).await == 1.0
    })
    .await;
    assert!(shown("depot_breaker_opened_total", postgres).await >= 1.0);
    wait_until("the database is passed by", || async {
        expect_unavailable(&read(&history).await);
        shown("depot_breaker_refused_total", postgres).await >= 1.0
    })
    .await;
    database.open();
    wait_until("the database is asked again", || async {
        read(&history).await.status == StatusCode::OK
    })
    .await;
    assert_eq!(shown("depot_breaker_open", postgres).await, 0.0);
}
