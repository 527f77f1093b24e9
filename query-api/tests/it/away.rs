//! What readers see while a backing service is away, and when it is back.

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::config::{DatabaseConfig, RedisConfig};
use depot_test_stack::{Gate, settings, wait_until};
use query_api::Config;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tonic::Code;
use uuid::Uuid;

use crate::{
    grpc::{by_reader, channel, reason},
    harness::{Harness, Item},
    http::Reply,
};

/// The `host:port` of a database URL.
fn server_of(url: &str) -> &str {
    let (_, place) = url.rsplit_once('@').unwrap();
    place.split_once('/').unwrap().0
}

async fn behind_a_gate(change: impl FnOnce(&mut Config)) -> (Harness, Gate) {
    // The server's place is known before the database's name.
    let owner = settings().get("MIGRATE_DATABASE_URL");
    let gate = Gate::to(server_of(owner)).await;
    let address = gate.address().to_owned();
    let harness = Harness::start_with(|config| {
        let url = config.database.url.expose_secret();
        let url = url.replace(server_of(url), &address);
        config.database = DatabaseConfig::for_url(&url, "read");
        change(config);
    })
    .await;
    (harness, gate)
}

fn expect_unavailable(reply: &Reply) {
    assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"));
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
}

#[tokio::test]
async fn without_the_database_reads_are_503_with_retry_after_at_once_and_come_back_by_themselves() {
    let (harness, gate) = behind_a_gate(|_| {}).await;
    // The cached item would be answered from Redis for as long as the pointer is trusted.
    let item = Item::default();
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}/history", item.id);
    assert_eq!(harness.get(&path).await.status, 200);
    let mut client = QueryServiceClient::new(channel(&harness).await);

    gate.shut();
    wait_until("the database is known to be away", || async {
        expect_unavailable(&harness.get(&path).await);
        let before = gate.turned_away();
        for _ in 0..10 {
            expect_unavailable(&harness.get(&path).await);
        }
        // The pointer and readiness go on asking; ten reads in between did not.
        gate.turned_away() - before < 5
    })
    .await;
    let refused = client
        .get_item_history(by_reader(v1::GetItemHistoryRequest {
            item_id: item.id.to_string(),
            ..Default::default()
        }))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::Unavailable, "DATABASE_UNAVAILABLE".into())
    );

    gate.open();
    wait_until("reads are answered again", || async {
        harness.get(&path).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_database_that_falls_silent_is_found_out_and_keeps_no_reader() {
    let (harness, gate) = behind_a_gate(|config| config.http.max_concurrent_requests = 40).await;
    let item = Item::default();
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}/history", item.id);
    assert_eq!(harness.get(&path).await.status, 200);
    gate.hold();
    // In two rounds: readers that were kept would have kept their places, and the second would be refused for want of one.
    for _ in 0..2 {
        let readers: Vec<_> = (0..40).map(|_| harness.get(&path)).collect();
        for reply in futures::future::join_all(readers).await {
            expect_unavailable(&reply);
        }
    }
    gate.open();
    wait_until("reads are answered again", || async {
        harness.get(&path).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn redis_that_is_cut_off_costs_no_answer_and_no_version_and_is_used_again() {
    let gate = Gate::to(settings().redis_addr()).await;
    let address = gate.address().to_owned();
    let harness = Harness::start_with(|config| {
        config.redis = RedisConfig::new(&address, &config.redis.key_prefix);
    })
    .await;
    let item = Item::default();
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}", item.id);
    assert_eq!(harness.get(&path).await.status, 200);

    for silent in [false, true] {
        if silent {
            gate.hold();
        } else {
            gate.shut();
        }
        let (begun, asked) = (Instant::now(), gate.turned_away());
        for _ in 0..50 {
            assert_eq!(harness.get(&path).await.status, 200, "from Postgres");
        }
        // One read a second tries Redis, not fifty; the subscription tries by itself. Of a silent one nothing is counted.
        let asked = gate.turned_away() - asked;
        let at_most = 10 + 4 * usize::try_from(begun.elapsed().as_secs()).unwrap();
        assert!(asked <= at_most, "{asked} connections for 50 reads");
        let newer = Item {
            id: Uuid::now_v7(),
            ..Item::default()
        };
        let path = format!("/api/v1/items/{}?min_version=1", newer.id);
        let (reply, ()) = tokio::join!(harness.get_with(&path, &[("prefer", "wait=30")]), async {
            harness.until_a_read_waits().await;
            newer.put(&harness.pool).await;
        });
        assert_eq!(
            (reply.status, reply.header("etag")),
            (200, Some("\"1\"")),
            "no notification came"
        );
        gate.open();
    }
    // What only Redis has is what is answered: the cache is used again.
    wait_until("the cache is used again", || async {
        crate::cache::cache(&harness, item.id, 7).await;
        harness.get(&path).await.header("etag") == Some("\"7\"")
    })
    .await;
}
