//! The partitions of `read.item_history`: made ahead of time, dropped when they are older than is kept.
//!
//! Every projector does it, at intervals. The functions that it calls are the only ones that can (the projector's role may
//! neither make nor drop a table), and let one process at a time do something. Nothing waits for it: what is dated outside
//! of all partitions lies in the default one, from where it is moved when its partition is made.

use depot_service::database::Pool;
use std::time::Duration;

use depot_retry::Delays;
use depot_service::problem::chain;
use tokio_util::sync::CancellationToken;

use crate::{config::HistoryConfig, metrics};

/// Partitions that lie wholly in the future.
const AHEAD: i32 = 2;
/// Partitions dropped at a time: each takes a short exclusive lock.
const DROPS: u64 = 4;
/// Rows removed by one statement.
const PAGE: i64 = 10_000;
/// A partition is for days, so this is often.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long a round may take, in which no statement takes longer than the server allows each.
const ROUND_LIMIT: Duration = Duration::from_secs(60);

/// Keeps the partitions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HistoryPartitions {
    pool: Pool,
    config: HistoryConfig,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryUpkeep {
    pub made: u64,
    pub dropped: u64,
    /// Rows removed that are dated before the history begins, as a projector of an earlier release still writes them.
    pub cleared: u64,
    /// There is more to do that was not to be had at once.
    pub unfinished: bool,
}

/// The history is as it was, but for what an earlier statement of the round did.
#[derive(Debug, thiserror::Error)]
pub enum HistoryUpkeepError {
    #[error("make partitions of the history ahead of time")]
    Make(#[source] sqlx::Error),
    #[error("drop a partition of the history that is older than is kept")]
    Drop(#[source] sqlx::Error),
    #[error("remove rows that are older than the history")]
    Clear(#[source] sqlx::Error),
    #[error("measure the partitions of the history")]
    Measure(#[source] sqlx::Error),
    #[error("Postgres has not answered within {limit:?}")]
    Timeout { limit: Duration },
}

impl HistoryPartitions {
    pub fn new(pool: Pool, config: HistoryConfig) -> Self {
        Self { pool, config }
    }

    /// One round. What there is is measured whatever became of it: that none is made is what it is measured for.
    ///
    /// # Errors
    /// [`HistoryUpkeepError`], the first of the round.
    pub async fn step(&self) -> Result<HistoryUpkeep, HistoryUpkeepError> {
        let done = self.keep().await;
        let measured = self.measure().await;
        let done = done?;
        measured?;
        Ok(done)
    }

    async fn keep(&self) -> Result<HistoryUpkeep, HistoryUpkeepError> {
        let made = self.make().await?;
        let (dropped, busy) = match self.config.retention_days {
            Some(days) => self.drop_older(days).await?,
            None => (0, false),
        };
        let cleared = self.clear().await?;
        Ok(HistoryUpkeep {
            made,
            dropped,
            cleared,
            unfinished: busy || made > 0 || dropped == DROPS || cleared == PAGE as u64,
        })
    }

    async fn make(&self) -> Result<u64, HistoryUpkeepError> {
        let query = sqlx::query_scalar!(
            r#"SELECT read.item_history_add_partitions($1, $2) AS "made!""#,
            self.config.partition_days,
            AHEAD
        );
        let made = query.fetch_one(&self.pool).await;
        let made = u64::try_from(made.map_err(HistoryUpkeepError::Make)?).unwrap_or(0);
        if made > 0 {
            metrics::history_partitions_made(made);
            tracing::info!(history.partitions = made, "partitions of the history were made");
        }
        Ok(made)
    }

    /// Drops what is old enough; answers how many, and whether somebody was in the way of the next.
    async fn drop_older(&self, days: i32) -> Result<(u64, bool), HistoryUpkeepError> {
        for dropped in 0..DROPS {
            let query = sqlx::query_scalar!(
                r#"SELECT read.item_history_drop_partition($1) AS "outcome!""#,
                days
            );
            let outcome = query
                .fetch_one(&self.pool)
                .await
                .map_err(HistoryUpkeepError::Drop)?;
            if outcome != "dropped" {
                return Ok((dropped, outcome == "busy"));
            }
            metrics::history_partitions_dropped(1);
            tracing::info!(
                history.retention_days = days,
                "a partition of the history was dropped, all of it older than is kept"
            );
        }
        Ok((DROPS, false))
    }

    /// Removes a page of what lies in the default partition, and is dated before the history begins.
    async fn clear(&self) -> Result<u64, HistoryUpkeepError> {
        let query = sqlx::query_scalar!(
            r#"WITH gone AS (
                   DELETE FROM read.item_history_default WHERE ctid = ANY (ARRAY(
                       SELECT d.ctid FROM read.item_history_default d, read.item_history_kept k
                       WHERE d.occurred_at < k.kept_from LIMIT $1
                   ))
                   RETURNING projection, topic, partition, "offset"
               ), noted AS (
                   INSERT INTO read.item_history_floors AS f (projection, topic, partition, first_offset)
                   SELECT projection, topic, partition, max("offset") + 1 FROM gone
                   GROUP BY projection, topic, partition ORDER BY projection, topic, partition
                   ON CONFLICT (projection, topic, partition)
                   DO UPDATE SET first_offset = greatest(f.first_offset, EXCLUDED.first_offset)
               )
               SELECT count(*) AS "cleared!" FROM gone"#,
            PAGE
        );
        let cleared = query.fetch_one(&self.pool).await;
        Ok(u64::try_from(cleared.map_err(HistoryUpkeepError::Clear)?).unwrap_or(0))
    }

    async fn measure(&self) -> Result<(), HistoryUpkeepError> {
        let query = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM read.item_history_partitions WHERE from_at > clock_timestamp())
                          AS "ahead!",
                      (SELECT count(*) FROM (SELECT FROM read.item_history_default LIMIT $1) AS page)
                          AS "stray!""#,
            PAGE
        );
        let found = query
            .fetch_one(&self.pool)
            .await
            .map_err(HistoryUpkeepError::Measure)?;
        metrics::history_partitions(found.ahead, found.stray);
        Ok(())
    }

    /// Rounds until cancelled: at once, then at intervals, sooner while something is left to do.
    pub async fn run(self, stop: CancellationToken) {
        let mut delays = Delays::never_ending(Duration::from_secs(1), INTERVAL);
        loop {
            let round = tokio::time::timeout(ROUND_LIMIT, self.step());
            let Some(outcome) = stop.run_until_cancelled(round).await else {
                return;
            };
            let outcome = outcome.unwrap_or(Err(HistoryUpkeepError::Timeout { limit: ROUND_LIMIT }));
            let pause = match outcome {
                Ok(HistoryUpkeep {
                    unfinished: false, ..
                }) => {
                    delays.reset();
                    INTERVAL
                }
                Ok(_) => delays.next_delay().unwrap_or(INTERVAL),
                Err(error) => {
                    depot_service::metrics::count_error("projector", "history_partitions");
                    tracing::warn!(error = chain(&error), "the upkeep of the history is tried again");
                    delays.next_delay().unwrap_or(INTERVAL)
                }
            };
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return;
            }
        }
    }
}
