//! The one script that writes entries, on a real Redis.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up is to fail, in its helpers too"
)]

use std::time::Duration;

use depot_domain::VersionToken;
use depot_read_model::{CacheEntry, CacheKeys, StoreOutcome, StoreScript};
use depot_test_stack::{settings, unique_name};
use redis::{AsyncCommands, Client, Pipeline, aio::MultiplexedConnection};
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3_600);
const SECONDS: Duration = Duration::from_secs(5);

struct Cache {
    connection: MultiplexedConnection,
    script: StoreScript,
    key: String,
}

impl Cache {
    async fn connect() -> Self {
        let client = Client::open(format!("redis://{}", settings().redis_addr())).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let key = CacheKeys::new(format!("{}:", unique_name()), 1, 1).item(Uuid::now_v7());
        Self {
            connection,
            script: StoreScript::default(),
            key,
        }
    }

    async fn store(&mut self, entry: &CacheEntry, ttl: Duration) -> StoreOutcome {
        self.script
            .store(&mut self.connection, &self.key, entry, ttl)
            .await
            .unwrap()
    }

    async fn entry(&mut self) -> Option<CacheEntry> {
        let bytes: Option<Vec<u8>> = self.connection.get(&self.key).await.unwrap();
        bytes.map(|bytes| CacheEntry::parse(bytes.into()).unwrap())
    }

    async fn remaining_ms(&mut self) -> i64 {
        self.connection.pttl(&self.key).await.unwrap()
    }
}

fn live(epoch: i32, version: i64) -> CacheEntry {
    let body = serde_json::json!({ "version": version });
    CacheEntry::live(VersionToken::new(epoch, version), "alice", &body).unwrap()
}

#[tokio::test]
async fn an_older_entry_is_refused_whatever_its_digits() {
    let mut cache = Cache::connect().await;
    assert_eq!(cache.store(&live(0, 10), HOUR).await, StoreOutcome::Stored);
    assert_eq!(cache.store(&live(0, 9), HOUR).await, StoreOutcome::RefusedAsOlder);
    assert_eq!(cache.entry().await, Some(live(0, 10)));
    assert_eq!(cache.store(&live(0, 11), HOUR).await, StoreOutcome::Stored);
    assert_eq!(cache.entry().await, Some(live(0, 11)));
}

#[tokio::test]
async fn a_later_epoch_wins_over_any_version() {
    let mut cache = Cache::connect().await;
    cache.store(&live(0, 900), HOUR).await;
    assert_eq!(cache.store(&live(1, 2), HOUR).await, StoreOutcome::Stored);
    assert_eq!(
        cache.store(&live(0, 901), HOUR).await,
        StoreOutcome::RefusedAsOlder
    );
    assert_eq!(cache.entry().await, Some(live(1, 2)));
}

#[tokio::test]
async fn a_tombstone_refuses_a_repeated_create() {
    let mut cache = Cache::connect().await;
    let gone = CacheEntry::tombstone(VersionToken::new(0, 2), "alice");
    cache.store(&gone, HOUR).await;
    assert_eq!(cache.store(&live(0, 1), HOUR).await, StoreOutcome::RefusedAsOlder);
    assert_eq!(cache.entry().await, Some(gone));
}

#[tokio::test]
async fn the_same_version_never_lives_shorter_for_being_stored_again() {
    let mut cache = Cache::connect().await;
    assert_eq!(cache.store(&live(0, 1), SECONDS).await, StoreOutcome::Stored);
    assert!(cache.remaining_ms().await <= 5_000);
    assert_eq!(cache.store(&live(0, 1), HOUR).await, StoreOutcome::Stored);
    assert_eq!(cache.store(&live(0, 1), SECONDS).await, StoreOutcome::Unchanged);
    assert!(cache.remaining_ms().await > 1_000_000);
}

#[tokio::test]
async fn a_pipeline_stores_each_entry_by_itself() {
    let mut cache = Cache::connect().await;
    cache.store(&live(0, 5), HOUR).await;
    let other = format!("{}:other", cache.key);
    let mut pipeline = Pipeline::new();
    cache.script.load(&mut pipeline);
    cache.script.append(&mut pipeline, &cache.key, &live(0, 4), HOUR);
    cache.script.append(&mut pipeline, &other, &live(0, 4), HOUR);
    let outcomes: Vec<StoreOutcome> = pipeline.query_async(&mut cache.connection).await.unwrap();
    assert_eq!(outcomes, [StoreOutcome::RefusedAsOlder, StoreOutcome::Stored]);
}
