use std::time::Duration;

use depot_domain::VersionToken;
use depot_read_model::{CacheEntry, CacheKeys, StoreScript};
use depot_service::config::RedisConfig;
use depot_test_stack::wait_until;
use query_api::read::LocalCacheSettings;
use redis::AsyncCommands;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Harness, Item};

/// What stands in Redis for an item under the first pointer.
async fn cached(harness: &Harness, id: Uuid) -> Option<CacheEntry> {
    let mut connection = harness.redis.get_multiplexed_async_connection().await.unwrap();
    let key = CacheKeys::new(&harness.prefix, 1, 1).item(id);
    let bytes: Option<Vec<u8>> = connection.get(key).await.unwrap();
    bytes.map(|bytes| CacheEntry::parse(bytes.into()).unwrap())
}

/// Writes an entry as the projector does, for longer than any test.
pub async fn cache(harness: &Harness, id: Uuid, version: i64) {
    let mut connection = harness.redis.get_multiplexed_async_connection().await.unwrap();
    let key = CacheKeys::new(&harness.prefix, 1, 1).item(id);
    let entry = CacheEntry::live(
        VersionToken::new(0, version),
        "alice",
        &json!({"version": version}),
    )
    .unwrap();
    StoreScript::default()
        .store(&mut connection, &key, &entry, Duration::from_secs(3_600))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_read_fills_redis_for_seconds_and_the_next_is_answered_from_there() {
    let harness = Harness::start().await;
    let item = Item {
        version: 2,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}", item.id);
    assert_eq!(harness.get(&path).await.status, 200);
    assert_eq!(
        cached(&harness, item.id).await.unwrap().version,
        VersionToken::new(0, 2)
    );
    let mut connection = harness.redis.get_multiplexed_async_connection().await.unwrap();
    let ttl: i64 = connection
        .pttl(CacheKeys::new(&harness.prefix, 1, 1).item(item.id))
        .await
        .unwrap();
    assert!((1..=5_000).contains(&ttl), "{ttl} ms");
    // What only Redis says is what is answered.
    cache(&harness, item.id, 3).await;
    assert_eq!(harness.get(&path).await.header("etag"), Some("\"3\""));
}

#[tokio::test]
async fn a_deleted_item_is_cached_as_such() {
    let harness = Harness::start().await;
    let item = Item {
        version: 2,
        deleted: true,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}", item.id);
    assert_eq!(harness.get(&path).await.status, 410);
    assert!(cached(&harness, item.id).await.unwrap().is_deleted());
    assert_eq!(harness.get(&path).await.status, 410);
}

#[tokio::test]
async fn an_older_entry_in_redis_is_never_shown_to_a_read_that_names_a_version() {
    let harness = Harness::start().await;
    let item = Item {
        version: 5,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    cache(&harness, item.id, 4).await;
    let path = format!("/api/v1/items/{}", item.id);
    assert_eq!(
        harness.get(&path).await.header("etag"),
        Some("\"4\""),
        "the entry is used where no version is named"
    );
    let named = harness
        .get_with(&format!("{path}?min_version=5"), &[("prefer", "wait=0")])
        .await;
    assert_eq!((named.status, named.header("etag")), (200, Some("\"5\"")));
    // And is replaced by what that read found.
    assert_eq!(harness.get(&path).await.header("etag"), Some("\"5\""));
}

#[tokio::test]
async fn an_older_entry_in_the_process_is_never_shown_to_a_read_that_names_a_version() {
    let settings = LocalCacheSettings {
        ttl: Duration::from_secs(3_600),
        max_bytes: 1 << 20,
    };
    let harness = Harness::start_with(|config| config.local_cache = settings).await;
    let item = Item {
        version: 4,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    let path = format!("/api/v1/items/{}", item.id);
    assert_eq!(harness.get(&path).await.header("etag"), Some("\"4\""));
    Item {
        version: 5,
        ..item.clone()
    }
    .put(&harness.pool)
    .await;
    assert_eq!(
        harness.get(&path).await.header("etag"),
        Some("\"4\""),
        "held in the process"
    );
    let named = harness.get(&format!("{path}?min_version=5")).await;
    assert_eq!((named.status, named.header("etag")), (200, Some("\"5\"")));
    assert_eq!(harness.get(&path).await.header("etag"), Some("\"5\""));
}

#[tokio::test]
async fn an_older_entry_in_redis_does_not_take_the_place_of_a_newer_one_in_the_process() {
    let harness = Harness::start_with(|config| {
        config.local_cache = LocalCacheSettings {
            ttl: Duration::from_secs(3_600),
            ..config.local_cache
        };
    })
    .await;
    let id = Uuid::now_v7();
    let path = format!("/api/v1/items/{id}");
    cache(&harness, id, 3).await;
    assert_eq!(harness.get(&path).await.header("etag"), Some("\"3\""));
    // As after an outage that is over before anybody has raised the generation.
    let mut connection = harness.redis.get_multiplexed_async_connection().await.unwrap();
    let key = CacheKeys::new(&harness.prefix, 1, 1).item(id);
    let _: () = connection.del(key).await.unwrap();
    cache(&harness, id, 2).await;
    let named = harness.get(&format!("{path}?min_version=2")).await;
    assert_eq!(named.header("etag"), Some("\"2\""));
    assert_eq!(harness.get(&path).await.header("etag"), Some("\"3\""));
}

#[tokio::test]
async fn a_raised_generation_makes_what_redis_holds_unreadable() {
    let harness = Harness::start().await;
    let item = Item {
        version: 5,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    cache(&harness, item.id, 4).await;
    sqlx::query("UPDATE read.cache_generation SET generation = 2")
        .execute(&harness.pool)
        .await
        .unwrap();
    wait_until("the generation is followed", || async {
        harness
            .get(&format!("/api/v1/items/{}", item.id))
            .await
            .header("etag")
            == Some("\"5\"")
    })
    .await;
}

#[tokio::test]
async fn without_redis_every_read_is_answered_and_a_named_version_is_still_waited_for() {
    // Nothing listens there.
    let harness = Harness::start_with(|config| config.redis = RedisConfig::new("127.0.0.1:9", "x:")).await;
    let item = Item {
        version: 2,
        ..Item::default()
    };
    item.put(&harness.pool).await;
    for _ in 0..3 {
        assert_eq!(
            harness.get(&format!("/api/v1/items/{}", item.id)).await.status,
            200
        );
    }
    assert_eq!(harness.get("/api/v1/items").await.status, 200);
    let path = format!("/api/v1/items/{}?min_version=3", item.id);
    let (reply, ()) = tokio::join!(harness.get_with(&path, &[("prefer", "wait=30")]), async {
        harness.until_a_read_waits().await;
        Item {
            version: 3,
            ..item.clone()
        }
        .put(&harness.pool)
        .await;
    });
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"3\"")));
}

#[tokio::test]
async fn reads_of_one_item_that_come_together_are_one_statement() {
    let harness = Harness::start().await;
    let (one, other) = (
        Item::default(),
        Item {
            id: Uuid::now_v7(),
            ..Item::default()
        },
    );
    one.put(&harness.pool).await;
    other.put(&harness.pool).await;
    // The table is locked, so statements on it pile up where they can be counted.
    let mut lock = harness.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE read.items IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let waiting = || async {
        sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_locks
             WHERE relation = 'read.items'::regclass AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .fetch_one(&harness.pool)
        .await
        .unwrap()
    };
    let (path, last) = (
        format!("/api/v1/items/{}", one.id),
        format!("/api/v1/items/{}", other.id),
    );
    let mut together: Vec<_> = (0..8).map(|_| Box::pin(harness.get(&path))).collect();
    let mut all = Box::pin(futures::future::join_all(together.iter_mut()));
    tokio::select! {
        _ = &mut all => panic!("the table is locked"),
        () = wait_until("the first statement waits", || async { waiting().await == 1 }) => {}
    }
    // A read of another item, sent after them, has its own statement: by then the eight were taken up too.
    let mut last = Box::pin(harness.get(&last));
    tokio::select! {
        _ = &mut all => panic!("the table is locked"),
        _ = &mut last => panic!("the table is locked"),
        () = wait_until("the other statement waits", || async { waiting().await >= 2 }) => {}
    }
    assert_eq!(waiting().await, 2);
    lock.commit().await.unwrap();
    let (replies, reply) = tokio::join!(all, last);
    assert!(replies.iter().all(|reply| reply.status == 200) && reply.status == 200);
}
