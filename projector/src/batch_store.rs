//! Batches' way into the views: the transaction, then Redis.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use depot_consumer::{Batch, BatchOutcome, Failure, GivenUp, Poison, Record};
use depot_schemas::{Event, topics::Topics};
use depot_service::database::Pool;
use tokio::time::timeout;

use crate::{
    cache_upkeep::{CacheUpkeep, LATE},
    event_spans::{CacheStep, EventSpans, Steps},
    offsets::{self, Standing},
    pending_cache::{self, ChangedRow},
    postgres_writer::{PostgresWriter, StoredChanges, Written},
    rebuild::given_up,
    redis_writer::{Keys, RedisWriter},
};

/// Longer than the server lets the statements of a transaction run.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// Nothing depends on it, and its partitions wait.
const CLEAR_LIMIT: Duration = Duration::from_secs(1);

/// What became of the batches of a transaction.
#[derive(Debug)]
pub struct Told {
    /// Of each batch.
    pub outcomes: Vec<BatchOutcome>,
    /// When it was.
    pub steps: Steps,
}

/// Stores batches, and tells Redis of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BatchStore {
    pool: Pool,
    projection: i32,
    writer: PostgresWriter,
    redis: Arc<RedisWriter>,
    upkeep: CacheUpkeep,
}

impl BatchStore {
    pub fn new(pool: Pool, projection: i32, redis: Arc<RedisWriter>, upkeep: CacheUpkeep) -> Self {
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
    pub async fn store(&self, batches: &[Batch<Event>]) -> Result<Told, Failure> {
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

    /// Where the partition of a batch stands that was not stored.
    ///
    /// # Errors
    /// Transient: Postgres does not answer.
    pub async fn standing(&self, batch: &Batch<Event>) -> Result<Standing, Failure> {
        let (topic, partition, expected) = (&batch.topic, batch.partition, batch.expected_offset);
        offsets::standing(&self.pool, self.projection, topic, partition, expected)
            .await
            .map_err(|error| Failure::transient("look whether a batch is held", error))
    }

    /// What becomes of an event that cannot be applied: see [`given_up`].
    ///
    /// # Errors
    /// Transient: it is not to be passed now.
    pub async fn give_up(&self, record: &Record, poison: &Poison) -> Result<GivenUp, Failure> {
        given_up::decide(&self.pool, self.projection, record, poison).await
    }

    /// Tells Redis of a transaction that is committed, and answers what became of each of its batches.
    pub async fn tell(&self, written: Written) -> Told {
        let cache = self.tell_redis(&written.changes).await;
        let outcome = |stored| match stored {
            true => BatchOutcome::Stored,
            false => BatchOutcome::Reload,
        };
        Told {
            outcomes: written.stored.into_iter().map(outcome).collect(),
            steps: Steps {
                transaction: written.period,
                events: written.events,
                cache,
            },
        }
    }

    /// What tells of the events that are stored here.
    pub(crate) fn event_spans(&self, topics: &Topics) -> EventSpans {
        EventSpans::new(topics, &self.pool)
    }

    /// Tells Redis what committed batches changed, and answers when, if it was asked. Whatever goes wrong here is left to the
    /// upkeep: the changed rows are noted as pending.
    pub async fn tell_redis(&self, changes: &StoredChanges) -> Option<CacheStep> {
        if changes.entries.is_empty() {
            return None;
        }
        // One that was stopped since leaves Redis to the upkeep, which reads the rows again.
        if !self.redis.is_up() || changes.began.elapsed() > LATE {
            self.upkeep.wake();
            return None;
        }
        let began = SystemTime::now();
        let told = self
            .redis
            .write(
                Keys {
                    projection: self.projection,
                    generation: changes.generation,
                },
                &changes.entries,
                &changes.notices,
            )
            .await;
        let step = CacheStep {
            period: (began, SystemTime::now()),
            commands: changes.entries.len() + changes.notices.len(),
            failed: told.is_err(),
        };
        if step.failed {
            self.upkeep.wake();
            return Some(step);
        }
        let rows: Vec<ChangedRow> = changes.entries.iter().map(|(row, _)| *row).collect();
        let clear = pending_cache::clear(&self.pool, self.projection, changes.generation, &rows);
        match timeout(CLEAR_LIMIT, clear).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "pending rows are left to the upkeep"),
            Err(_) => tracing::debug!("Postgres is slow: pending rows are left to the upkeep"),
        }
        Some(step)
    }
}
