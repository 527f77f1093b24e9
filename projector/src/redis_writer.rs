//! Writes entries and notifications to Redis, in one round trip, and knows whether Redis answers.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use depot_domain::VersionToken;
use depot_read_model::{
    CacheEntry, CacheKeys, ChangeNotice, StoreOutcome, StoreScript, changes_channel, redis_client,
};
use depot_sabotage::Break;
use depot_service::config::RedisConfig;
use redis::{
    Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{config::CacheConfig, metrics, pending_cache::ChangedRow};

/// Redis did not take something. The views don't wait for it.
#[derive(Debug, thiserror::Error)]
pub enum RedisUnavailable {
    #[error("Redis did not answer within {} ms; reads are slower until it does", .0.as_millis())]
    Slow(Duration),
    #[error("Redis did not take it; reads are slower until it does")]
    Failed(#[from] RedisError),
}

/// Under which keys entries are written: they carry both, so that nobody reads what is left of others.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    pub projection: i32,
    pub generation: i64,
}

/// The cache and the channel of notifications.
pub struct RedisWriter {
    connection: ConnectionManager,
    script: StoreScript,
    prefix: String,
    config: CacheConfig,
    up: AtomicBool,
}

impl std::fmt::Debug for RedisWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisWriter")
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

impl RedisWriter {
    /// A writer that is not connected yet. It counts as up until a call fails.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(redis: &RedisConfig, config: CacheConfig) -> Result<Self, RedisError> {
        let manager = ConnectionManagerConfig::new()
            // Each call has one time limit of its own, and the upkeep comes back soon.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout));
        let (authorities, identity) = redis.tls.read_pem()?;
        let client = redis_client(redis.url(), authorities, identity)?;
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, manager)?,
            script: StoreScript::default(),
            prefix: redis.key_prefix.clone(),
            config,
            up: AtomicBool::new(true),
        })
    }

    /// Whether the last call was answered.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Writes entries under `keys`, each unless a newer one is there, then publishes the notices: who
    /// is woken by one finds the entries.
    ///
    /// # Errors
    /// [`RedisUnavailable`]: any of them may have been written, or will be.
    pub async fn write(
        &self,
        keys: Keys,
        entries: &[(ChangedRow, CacheEntry)],
        notices: &[ChangeNotice],
    ) -> Result<(), RedisUnavailable> {
        let keys = CacheKeys::new(&self.prefix, keys.projection, keys.generation);
        let mut pipeline = Pipeline::with_capacity(1 + entries.len() + notices.len());
        self.script.load(&mut pipeline);
        for (row, entry) in entries {
            self.script.append(
                &mut pipeline,
                &keys.key(row.kind, row.id),
                entry,
                jittered(self.config.ttl, row.id),
            );
            if depot_sabotage::has(Break::BlindCache) {
                // As somebody does who was stopped with the version before.
                let late = CacheEntry {
                    version: VersionToken::new(row.version.epoch, row.version.version - 1),
                    ..entry.clone()
                };
                let key = keys.key(row.kind, row.id);
                self.script.append(&mut pipeline, &key, &late, self.config.ttl);
            }
        }
        for message in notices.iter().filter_map(|notice| notice.to_json().ok()) {
            pipeline
                .cmd("PUBLISH")
                .arg(changes_channel(&self.prefix))
                .arg(message)
                .ignore();
        }
        let began = Instant::now();
        let mut connection = self.connection.clone();
        let outcomes: Result<Vec<StoreOutcome>, _> = self
            .bounded(async { pipeline.query_async(&mut connection).await })
            .await;
        metrics::cache_write_took(began.elapsed());
        match outcomes {
            Ok(outcomes) => {
                count(&outcomes);
                Ok(())
            }
            Err(error) => {
                metrics::cache_write("failed", entries.len());
                Err(error)
            }
        }
    }

    /// The server's `run_id`: another one after each restart, and of another server.
    ///
    /// # Errors
    /// [`RedisUnavailable`].
    pub async fn run_id(&self) -> Result<String, RedisUnavailable> {
        let mut connection = self.connection.clone();
        let info: String = self
            .bounded(async {
                redis::cmd("INFO")
                    .arg("server")
                    .query_async(&mut connection)
                    .await
            })
            .await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        // A server that hides it is taken for always the same one.
        Ok(run_id.unwrap_or("unknown").trim().to_owned())
    }

    /// Runs a call within its time limit, and notes whether Redis answered.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisUnavailable> {
        let answer = match timeout(self.config.timeout, call).await {
            Ok(answer) => answer.map_err(RedisUnavailable::Failed),
            Err(_) => Err(RedisUnavailable::Slow(self.config.timeout)),
        };
        let up = answer.is_ok();
        let was_up = self.up.swap(up, Ordering::AcqRel);
        metrics::cache_up(up);
        match &answer {
            Ok(_) if !was_up => tracing::info!("Redis answers again"),
            Err(error) if was_up => {
                depot_service::metrics::count_error("projector", "redis");
                tracing::warn!(
                    error = depot_service::problem::chain(error),
                    "Redis is away; the views go on without it"
                );
            }
            _ => {}
        }
        answer
    }
}

fn count(outcomes: &[StoreOutcome]) {
    let of = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    metrics::cache_write("stored", of(StoreOutcome::Stored));
    metrics::cache_write("unchanged", of(StoreOutcome::Unchanged));
    metrics::cache_write("refused", of(StoreOutcome::RefusedAsOlder));
}

/// A time to live within a tenth of `ttl`, so that what was written together does not end together. The id's random
/// end decides: an entry written again keeps its share.
fn jittered(ttl: Duration, id: Uuid) -> Duration {
    let bytes = id.into_bytes();
    let share = f64::from(u16::from_be_bytes([bytes[14], bytes[15]])) / f64::from(u16::MAX);
    ttl.mul_f64(0.9 + 0.2 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_differ_by_at_most_a_tenth_either_way() {
        let ttl = Duration::from_secs(1_000);
        let lives: Vec<_> = (0..200).map(|_| jittered(ttl, Uuid::now_v7())).collect();
        assert!(lives.iter().all(|life| (900..=1_100).contains(&life.as_secs())));
        assert!(lives.iter().max() > lives.iter().min());
    }
}
