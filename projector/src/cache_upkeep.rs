//! Makes up for what the way after the commit could not do: Redis was away, or the process died on that way.
//!
//! Bounds: a change is in Redis right after its commit, or within a round of the upkeep the generation is raised, and
//! readers leave the old entries behind within the second that they may hold on to a generation.

use depot_service::database::Pool;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use depot_read_model::{CacheEntry, EntityKind};
use depot_retry::Delays;
use depot_service::problem::chain;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    cache_generation, metrics,
    pending_cache::{self, ChangedRow},
    projections::{item, upload},
    redis_writer::{Keys, RedisWriter},
};

/// A row noted within this time is on its way, by the projector that noted it.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// Entries that took longer than this to be told, because the process was stopped, are not told: others may have
/// written newer ones since, and these may be gone again.
pub(crate) const LATE: Duration = Duration::from_secs(10);
/// Rows in one round trip.
const PAGE: i64 = 500;

/// Keeps the cache of the version of the views right that serves. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CacheUpkeep {
    pool: Pool,
    redis: Arc<RedisWriter>,
    interval: Duration,
    trouble: Arc<Notify>,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Nothing was left to do.
    Clean,
    /// So many pending rows were written to Redis.
    Written(usize),
    /// Redis is away, or this process was: the generation was raised, and so many pending rows need no entry any more.
    Abandoned(usize),
}

/// Postgres did not answer; the rows stay pending.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error("note which Redis server there is")]
    NoteServer(#[source] sqlx::Error),
    #[error("read the rows that the cache lacks")]
    Load(#[source] sqlx::Error),
    #[error("remove rows that the cache has")]
    Clear(#[source] sqlx::Error),
    #[error("raise the cache's generation")]
    Raise(#[source] sqlx::Error),
    #[error("encode a row for the cache")]
    Encode(#[source] serde_json::Error),
}

impl CacheUpkeep {
    pub fn new(pool: Pool, redis: Arc<RedisWriter>, interval: Duration) -> Self {
        Self {
            pool,
            redis,
            interval,
            trouble: Arc::default(),
        }
    }

    /// Asks for a round now: Redis did not take something.
    pub fn wake(&self) {
        self.trouble.notify_one();
    }

    /// Brings to its end all that is pending by now, whoever noted it: at start, before the first event.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn drain(&self) -> Result<(), UpkeepError> {
        let began = Instant::now();
        // What others note meanwhile is theirs.
        while self.round(|_up| began.elapsed()).await? != Upkeep::Clean {}
        Ok(())
    }

    /// One round: looks which Redis server there is, and brings a page of pending rows to their end.
    ///
    /// # Errors
    /// [`UpkeepError`].
    pub async fn step(&self) -> Result<Upkeep, UpkeepError> {
        self.round(|up| if up { ON_ITS_WAY } else { Duration::ZERO })
            .await
    }

    /// A round over the rows of an age, which may depend on whether Redis answers.
    async fn round(&self, age: impl Fn(bool) -> Duration) -> Result<Upkeep, UpkeepError> {
        let began = Instant::now();
        let up = match self.redis.run_id().await {
            Ok(run_id) => {
                self.note_server(&run_id).await?;
                true
            }
            Err(_) => false,
        };
        // The generation is read before the rows, which may then only be newer than it.
        let page = pending_cache::load(&self.pool, age(up), PAGE)
            .await
            .map_err(UpkeepError::Load)?;
        metrics::pending_rows(page.rows.len());
        if page.rows.is_empty() {
            return Ok(Upkeep::Clean);
        }
        let (projection, generation) = (page.projection, page.generation);
        if up {
            let entries = self.entries(projection, &page.rows).await?;
            let in_time = began.elapsed() <= LATE;
            let keys = Keys {
                projection,
                generation,
            };
            if in_time && self.redis.write(keys, &entries, &[]).await.is_ok() {
                pending_cache::clear(&self.pool, projection, generation, &page.rows)
                    .await
                    .map_err(UpkeepError::Clear)?;
                return Ok(Upkeep::Written(page.rows.len()));
            }
        }
        pending_cache::abandon(&self.pool, projection, generation, &page.rows)
            .await
            .map_err(UpkeepError::Raise)?;
        metrics::generation_raised("unreachable");
        Ok(Upkeep::Abandoned(page.rows.len()))
    }

    async fn note_server(&self, run_id: &str) -> Result<(), UpkeepError> {
        let raised = cache_generation::note_server(&self.pool, run_id)
            .await
            .map_err(UpkeepError::NoteServer)?;
        if let Some(generation) = raised {
            metrics::generation_raised("another_server");
            tracing::info!(
                cache.generation = generation,
                redis.run_id = run_id,
                "another Redis server; the cache starts anew"
            );
        }
        Ok(())
    }

    /// The entries of these rows, as the rows are now.
    async fn entries(
        &self,
        projection: i32,
        rows: &[ChangedRow],
    ) -> Result<Vec<(ChangedRow, CacheEntry)>, UpkeepError> {
        let ids = |kind| -> Vec<Uuid> {
            rows.iter()
                .filter(|row| row.kind == kind)
                .map(|row| row.id)
                .collect()
        };
        let mut entries = Vec::with_capacity(rows.len());
        let items = item::load(&self.pool, projection, &ids(EntityKind::Item))
            .await
            .map_err(UpkeepError::Load)?;
        for item in items {
            let entry = item.cache_entry().map_err(UpkeepError::Encode)?;
            entries.push((changed(EntityKind::Item, item.view.id, &entry), entry));
        }
        let uploads = upload::load(&self.pool, projection, &ids(EntityKind::Upload)).await;
        for upload in uploads.map_err(UpkeepError::Load)? {
            let entry = upload.cache_entry().map_err(UpkeepError::Encode)?;
            entries.push((changed(EntityKind::Upload, upload.view.id, &entry), entry));
        }
        Ok(entries)
    }

    /// Rounds until cancelled: at intervals, at once when woken, without a pause while there is something to do.
    pub async fn run(self, stop: CancellationToken) {
        let mut delays = Delays::never_ending(self.interval, Duration::from_secs(10));
        let mut pause = self.interval;
        loop {
            let woken = async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.trouble.notified() => {}
                }
            };
            if stop.run_until_cancelled(woken).await.is_none() {
                return;
            }
            match stop.run_until_cancelled(self.step()).await {
                None => return,
                Some(Ok(outcome)) => {
                    delays.reset();
                    pause = if outcome == Upkeep::Clean {
                        self.interval
                    } else {
                        Duration::ZERO
                    };
                }
                Some(Err(error)) => {
                    depot_service::metrics::count_error("projector", "cache_upkeep");
                    tracing::warn!(error = chain(&error), "the cache's upkeep is tried again");
                    pause = delays.next_delay().unwrap_or(self.interval);
                }
            }
        }
    }
}

fn changed(kind: EntityKind, id: Uuid, entry: &CacheEntry) -> ChangedRow {
    ChangedRow {
        kind,
        id,
        version: entry.version,
    }
}
