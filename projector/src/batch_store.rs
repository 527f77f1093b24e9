//! Batches' way into the views: the transaction, then Redis.

use std::{sync::Arc, time::Duration};

use depot_consumer::{Batch, BatchOutcome, Failure};
use depot_schemas::Event;
use sqlx::PgPool;
use tokio::time::timeout;

use crate::{
    cache_upkeep::{CacheUpkeep, LATE},
    pending_cache::{self, ChangedRow},
    postgres_writer::{PostgresWriter, StoredChanges, Written},
    redis_writer::RedisWriter,
};

/// Longer than the server lets the statements of a transaction run.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// Stores batches, and tells Redis of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BatchStore {
    pool: PgPool,
    projection: i32,
    writer: PostgresWriter,
    redis: Arc<RedisWriter>,
    upkeep: CacheUpkeep,
}

impl BatchStore {
    pub fn new(pool: PgPool, projection: i32, redis: Arc<RedisWriter>, upkeep: CacheUpkeep) -> Self {
        Self {
            writer: PostgresWriter::new(pool.clone(), projection),
            pool,
            projection,
            redis,
            upkeep,
        }
    }

    /// Stores batches of different partitions in one transaction, tells Redis, and answers what became of each.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn store(&self, batches: &[Batch<Event>]) -> Result<Vec<BatchOutcome>, Failure> {
        let written = self.write(batches).await?;
        Ok(self.tell(written).await)
    }

    /// The transaction alone.
    ///
    /// # Errors
    /// As [`PostgresWriter::write`], and transient if it takes too long. Dropped in mid-commit, batches find out by their
    /// offsets whether they were stored.
    pub async fn write(&self, batches: &[Batch<Event>]) -> Result<Written, Failure> {
        // The server's own limits end nothing when it is stopped, or the network swallows.
        let written = timeout(WRITE_LIMIT, self.writer.write(batches)).await;
        written.unwrap_or_else(|late| {
            let what = format!(
                "Postgres did not store a batch within {} s",
                WRITE_LIMIT.as_secs()
            );
            Err(Failure::transient(what, late))
        })
    }

    /// Tells Redis of a transaction that is committed, and answers what became of each of its batches.
    pub async fn tell(&self, written: Written) -> Vec<BatchOutcome> {
        self.tell_redis(&written.changes).await;
        let outcome = |stored| match stored {
            true => BatchOutcome::Stored,
            false => BatchOutcome::Reload,
        };
        written.stored.into_iter().map(outcome).collect()
    }

    /// Tells Redis what committed batches changed. Whatever goes wrong here is left to the upkeep: the changed rows are
    /// noted as pending.
    pub async fn tell_redis(&self, changes: &StoredChanges) {
        if changes.entries.is_empty() {
            return;
        }
        // One that was stopped since leaves Redis to the upkeep, which reads the rows again.
        if !self.redis.is_up() || changes.began.elapsed() > LATE {
            return self.upkeep.wake();
        }
        if self
            .redis
            .write(changes.generation, &changes.entries, &changes.notices)
            .await
            .is_err()
        {
            return self.upkeep.wake();
        }
        let rows: Vec<ChangedRow> = changes.entries.iter().map(|(row, _)| *row).collect();
        if let Err(error) = pending_cache::clear(&self.pool, self.projection, changes.generation, &rows).await
        {
            tracing::debug!(%error, "pending rows are left to the upkeep");
        }
    }
}
