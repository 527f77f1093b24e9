//! A migrated database, and a projector on it.

use std::{sync::Arc, time::Duration};

use depot_consumer::{Batch, BatchHandler, BatchOutcome, Context, Failure, OffsetSource};
use depot_read_model::{CacheEntry, CacheKeys, EntityKind};
use depot_schemas::{Event, topics::Topics};
use depot_service::database::Pool;
use depot_service::{config::RedisConfig, shutdown::Shutdown};
use depot_test_stack::{ServiceRole, TestDatabase, settings, unique_name, wait_until};
use projector::{
    BatchStore, CacheConfig, CacheUpkeep, OffsetsTable, PostgresWriter, Projector, RedisWriter, SharedWrites,
    SharingSettings,
};
use redis::AsyncCommands as _;
use uuid::Uuid;

use crate::events::TOPIC_PREFIX;

pub const PROJECTION: i32 = 1;

pub struct Fixture {
    // Declared before the database: connections go first.
    pub pool: Pool,
    pub redis: RedisConfig,
    pub database: TestDatabase,
}

pub struct Parts {
    pub projector: Projector,
    pub store: BatchStore,
    pub upkeep: CacheUpkeep,
    pub redis: Arc<RedisWriter>,
    pub writer: PostgresWriter,
}

impl Parts {
    /// Rounds of the upkeep until Redis answers: the first call after it was away may still meet the old connection.
    pub async fn recover(&self) {
        wait_until("Redis answers the projector", || async {
            self.upkeep.step().await.unwrap();
            self.redis.is_up()
        })
        .await;
    }
}

impl Fixture {
    pub async fn new() -> Self {
        let prefix = format!("{}:", unique_name());
        Self::on(RedisConfig::new(settings().redis_addr(), &prefix)).await
    }

    pub async fn on(redis: RedisConfig) -> Self {
        let database = TestDatabase::create().await.unwrap();
        // The service's own role: what the migrations do not grant fails here.
        let pool = Pool::from(database.pool(ServiceRole::Projector).await);
        Self {
            pool,
            redis,
            database,
        }
    }

    /// A projector as one process has it.
    pub fn parts(&self) -> Parts {
        self.parts_of(PROJECTION)
    }

    /// What one process has to feed a version of the views.
    pub fn parts_of(&self, projection: i32) -> Parts {
        let sharing = SharingSettings {
            lanes: 2,
            max_events: 500,
            longest_rest: Duration::ZERO,
        };
        self.parts_of_with(projection, sharing)
    }

    pub fn parts_with(&self, sharing: SharingSettings) -> Parts {
        self.parts_of_with(PROJECTION, sharing)
    }

    fn parts_of_with(&self, projection: i32, sharing: SharingSettings) -> Parts {
        let config = CacheConfig {
            timeout: Duration::from_millis(500),
            ..CacheConfig::default()
        };
        let redis = Arc::new(RedisWriter::new(&self.redis, config).unwrap());
        let interval = config.upkeep_interval;
        let upkeep = CacheUpkeep::new(self.pool.clone(), Arc::clone(&redis), interval);
        let store = BatchStore::new(self.pool.clone(), projection, Arc::clone(&redis), upkeep.clone());
        let shared = SharedWrites::start(store.clone(), sharing, &Shutdown::new());
        Parts {
            projector: Projector::new(Topics::new(TOPIC_PREFIX), store.clone(), shared),
            store,
            upkeep,
            redis,
            writer: PostgresWriter::new(self.pool.clone(), projection),
        }
    }

    /// The stored offset of a batch's partition; made as at an assignment.
    pub async fn assign(&self, batch: &Batch<Event>) -> i64 {
        self.assign_of(PROJECTION, batch).await
    }

    pub async fn assign_of(&self, projection: i32, batch: &Batch<Event>) -> i64 {
        OffsetsTable::new(self.pool.clone(), projection)
            .load(&batch.topic, batch.partition)
            .await
            .unwrap()
    }

    /// Applies a batch that must be stored.
    pub async fn apply(&self, projector: &Projector, batch: Batch<Event>) {
        self.apply_of(PROJECTION, projector, batch).await;
    }

    pub async fn apply_of(&self, projection: i32, projector: &Projector, batch: Batch<Event>) {
        assert_eq!(self.assign_of(projection, &batch).await, batch.expected_offset);
        assert_eq!(handle(projector, &batch).await.unwrap(), BatchOutcome::Stored);
        assert_eq!(self.assign_of(projection, &batch).await, batch.next_offset);
    }

    /// Every view, row by row, without what tells only where in the log a row came from.
    pub async fn views(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT row_text FROM (
                 SELECT 'item ' || (to_jsonb(t) - 'search')::text FROM read.items t
                 UNION ALL SELECT 'history ' || (to_jsonb(t) - 'topic' - 'partition' - 'offset')::text
                           FROM read.item_history t
                 UNION ALL SELECT 'upload ' || to_jsonb(t)::text FROM read.uploads t
                 UNION ALL SELECT 'tag ' || to_jsonb(t)::text FROM read.tag_statistics t WHERE items <> 0
                 UNION ALL SELECT 'owner ' || to_jsonb(t)::text FROM read.owner_statistics t
                           WHERE (items, files, file_bytes) <> (0, 0, 0)
             ) AS rows (row_text) ORDER BY row_text",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// Where the statistics differ from a recount of the items; empty when they are right.
    pub async fn miscounted(&self) -> Vec<String> {
        sqlx::query_scalar(
            "WITH tags_now AS (
                 SELECT tag, items FROM read.tag_statistics WHERE items <> 0
             ), tags_recount AS (
                 SELECT tag, count(DISTINCT id) FROM read.items, unnest(tags) tag WHERE NOT deleted GROUP BY tag
             ), owners_now AS (
                 SELECT owner, items::numeric, files::numeric, file_bytes::numeric FROM read.owner_statistics
                 WHERE (items, files, file_bytes) <> (0, 0, 0)
             ), owners_recount AS (
                 SELECT owner, count(*)::numeric, sum(jsonb_array_length(files))::numeric,
                        sum((SELECT coalesce(sum((f ->> 'size_bytes')::bigint), 0)
                             FROM jsonb_array_elements(files) f))::numeric
                 FROM read.items WHERE NOT deleted GROUP BY owner
             )
             SELECT 'stored ' || x::text FROM (SELECT * FROM tags_now EXCEPT SELECT * FROM tags_recount) x
             UNION ALL SELECT 'counted ' || x::text FROM (SELECT * FROM tags_recount EXCEPT SELECT * FROM tags_now) x
             UNION ALL SELECT 'stored ' || x::text FROM (SELECT * FROM owners_now EXCEPT SELECT * FROM owners_recount) x
             UNION ALL SELECT 'counted ' || x::text
                       FROM (SELECT * FROM owners_recount EXCEPT SELECT * FROM owners_now) x",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    pub async fn count(&self, table: &'static str) -> i64 {
        let sql = match table {
            "items" => "SELECT count(*) FROM read.items",
            "item_history" => "SELECT count(*) FROM read.item_history",
            "pending_cache" => "SELECT count(*) FROM read.pending_cache",
            _ => panic!("no count of {table}"),
        };
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn generation(&self) -> i64 {
        sqlx::query_scalar("SELECT generation FROM read.cache_generation")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// What a reader finds in Redis now, by the generation in Postgres.
    pub async fn cached(&self, kind: EntityKind, id: Uuid) -> Option<CacheEntry> {
        self.cached_of(PROJECTION, kind, id).await
    }

    pub async fn cached_of(&self, projection: i32, kind: EntityKind, id: Uuid) -> Option<CacheEntry> {
        let key = CacheKeys::new(&self.redis.key_prefix, projection, self.generation().await).key(kind, id);
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let bytes: Option<Vec<u8>> = connection.get(key).await.unwrap();
        bytes.map(|bytes| CacheEntry::parse(bytes.into()).unwrap())
    }

    pub async fn cached_version(&self, id: Uuid) -> Option<i64> {
        self.cached(EntityKind::Item, id)
            .await
            .map(|entry| entry.version.version)
    }
}

pub async fn handle(projector: &Projector, batch: &Batch<Event>) -> Result<BatchOutcome, Failure> {
    projector.handle_batch(batch, &Context::detached()).await
}
