//! Entries in Redis. Redis costs speed and never correctness: what goes wrong with it is counted, logged and passed
//! by, never answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use depot_read_model::{CacheEntry, CacheKeys, EntityKind, MAX_FILL_TTL, StoreOutcome, StoreScript};
use depot_service::config::RedisConfig;
use metrics::counter;
use redis::{
    AsyncCommands as _, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{reader::READS_TOTAL, rows::PointerRow};

/// A read of a key takes well under a millisecond; beyond this Postgres is asked instead.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// How long Redis is passed by after it failed, until one request tries it again.
const REST: Duration = Duration::from_secs(1);

/// The cache in Redis. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    connection: ConnectionManager,
    prefix: Arc<str>,
    script: Arc<StoreScript>,
    breaker: Arc<Breaker>,
}

impl Cache {
    /// Opens no connection yet: the service starts while Redis is away.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(client: &redis::Client, config: &RedisConfig) -> Result<Self, RedisError> {
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(ANSWER_TIMEOUT))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50));
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client.clone(), settings)?,
            prefix: config.key_prefix.as_str().into(),
            script: Arc::default(),
            breaker: Arc::default(),
        })
    }

    /// The entry under the keys of `pointer`; none if there is none, or Redis does not answer.
    pub async fn get(&self, pointer: PointerRow, kind: EntityKind, id: Uuid) -> Option<CacheEntry> {
        if !self.breaker.admits() {
            return None;
        }
        let key = self.key(pointer, kind, id);
        let mut connection = self.connection.clone();
        let answer = timeout(ANSWER_TIMEOUT, connection.get::<_, Option<Bytes>>(key)).await;
        let bytes = self.breaker.note(answer)?;
        // An entry of another form is no entry.
        let entry = bytes.and_then(|bytes| CacheEntry::parse(bytes).ok());
        let outcome = if entry.is_some() { "hit" } else { "miss" };
        counter!(READS_TOTAL, "layer" => "redis", "outcome" => outcome).increment(1);
        entry
    }

    /// Stores what was read from Postgres under `pointer`, for seconds, unless something newer is there.
    pub async fn fill(&self, pointer: PointerRow, kind: EntityKind, id: Uuid, entry: &CacheEntry) {
        if !self.breaker.admits() {
            return;
        }
        let key = self.key(pointer, kind, id);
        let mut connection = self.connection.clone();
        let stored = self.script.store(&mut connection, &key, entry, MAX_FILL_TTL);
        match self.breaker.note(timeout(ANSWER_TIMEOUT, stored).await) {
            None | Some(StoreOutcome::Stored | StoreOutcome::Unchanged) => {}
            // The view changed between the read and now; what is there is newer than what was read.
            Some(StoreOutcome::RefusedAsOlder) => tracing::debug!(%id, "the cache holds a newer version"),
        }
    }

    fn key(&self, pointer: PointerRow, kind: EntityKind, id: Uuid) -> String {
        CacheKeys::new(&*self.prefix, pointer.projection, pointer.generation).key(kind, id)
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Passes Redis by for a while after it failed, so that an outage costs one slow request a second and not all.
#[derive(Debug)]
struct Breaker {
    made: Instant,
    /// Milliseconds since `made` until which Redis is passed by; 0 while it answers.
    closed_until: AtomicU64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            closed_until: AtomicU64::new(0),
        }
    }
}

impl Breaker {
    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn rest(&self) -> u64 {
        self.now() + REST.as_secs() * 1_000
    }

    fn admits(&self) -> bool {
        let until = self.closed_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        // When the rest is over, one request tries; the others go on resting until it is back.
        self.now() >= until
            && self
                .closed_until
                .compare_exchange(until, self.rest(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn note<T>(&self, answer: Result<Result<T, RedisError>, tokio::time::error::Elapsed>) -> Option<T> {
        let cause = match answer {
            Ok(Ok(value)) => {
                if self.closed_until.swap(0, Ordering::Relaxed) != 0 {
                    tracing::info!("Redis answers again");
                }
                return Some(value);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", ANSWER_TIMEOUT.as_millis()),
        };
        counter!(READS_TOTAL, "layer" => "redis", "outcome" => "error").increment(1);
        // Logged when the outage begins, not for each request in it.
        if self.closed_until.swap(self.rest(), Ordering::Relaxed) == 0 {
            tracing::warn!(cause, "Redis does not answer; reads go to Postgres");
        }
        None
    }
}
