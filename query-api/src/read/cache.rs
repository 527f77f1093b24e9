//! Entries in Redis. Redis costs speed and never correctness: what goes wrong with it is counted, logged and passed
//! by, never answered.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use depot_read_model::{CacheEntry, CacheKeys, EntityKind, MAX_FILL_TTL, StoreOutcome, StoreScript};
use depot_retry::{Breaker, BreakerSettings};
use depot_service::config::RedisConfig;
use depot_spans::{OpenSpan, database};
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
/// With a connection that may have to be made.
const PING_TIMEOUT: Duration = Duration::from_millis(700);
/// An outage costs one slow request a second, and not all: one failure is enough, since there is another way.
const BREAKER: BreakerSettings = BreakerSettings {
    failures: 1,
    quiet: Duration::ZERO,
    rest: Duration::from_secs(1),
};

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
            breaker: Arc::new(Breaker::new("redis", BREAKER)),
        })
    }

    /// The entry under the keys of `pointer`; none if there is none, or Redis does not answer.
    pub async fn get(&self, pointer: PointerRow, kind: EntityKind, id: Uuid) -> Option<CacheEntry> {
        if !self.breaker.admits() {
            return None;
        }
        let key = self.key(pointer, kind, id);
        let mut connection = self.connection.clone();
        let span = database::redis("GET");
        let answer = timeout(ANSWER_TIMEOUT, connection.get::<_, Option<Bytes>>(key)).await;
        let bytes = end(span, self.note(answer))?;
        // An entry of another form is no entry.
        let entry = bytes.and_then(|bytes| CacheEntry::parse(bytes).ok());
        let outcome = if entry.is_some() { "hit" } else { "miss" };
        counter!(READS_TOTAL, "layer" => "redis", "outcome" => outcome).increment(1);
        entry
    }

    /// How long Redis takes to answer.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub async fn ping(&self) -> Result<Duration, String> {
        let mut connection = self.connection.clone();
        let asked = Instant::now();
        let ping = redis::cmd("PING");
        match timeout(PING_TIMEOUT, ping.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => Ok(asked.elapsed()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", PING_TIMEOUT.as_millis())),
        }
    }

    /// Stores what was read from Postgres under `pointer`, for seconds, unless something newer is there.
    pub async fn fill(&self, pointer: PointerRow, kind: EntityKind, id: Uuid, entry: &CacheEntry) {
        if !self.breaker.admits() {
            return;
        }
        let key = self.key(pointer, kind, id);
        let mut connection = self.connection.clone();
        let span = database::redis("EVALSHA");
        let stored = self.script.store(&mut connection, &key, entry, MAX_FILL_TTL);
        let stored = timeout(ANSWER_TIMEOUT, stored).await;
        match end(span, self.note(stored)) {
            None | Some(StoreOutcome::Stored | StoreOutcome::Unchanged) => {}
            // The view changed between the read and now; what is there is newer than what was read.
            Some(StoreOutcome::RefusedAsOlder) => tracing::debug!(%id, "the cache holds a newer version"),
        }
    }

    /// What Redis answered, if it did.
    fn note<T>(&self, answer: Result<Result<T, RedisError>, tokio::time::error::Elapsed>) -> Option<T> {
        let cause = match answer {
            Ok(Ok(value)) => {
                self.breaker.note(false);
                return Some(value);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", ANSWER_TIMEOUT.as_millis()),
        };
        counter!(READS_TOTAL, "layer" => "redis", "outcome" => "error").increment(1);
        // Logged when the outage begins, not for each request in it.
        if !self.breaker.is_open() {
            tracing::warn!(cause, "Redis does not answer; reads go to Postgres");
        }
        self.breaker.note(true);
        None
    }

    fn key(&self, pointer: PointerRow, kind: EntityKind, id: Uuid) -> String {
        CacheKeys::new(&*self.prefix, pointer.projection, pointer.generation).key(kind, id)
    }
}

/// What Redis answered, after the span of the question has ended.
fn end<T>(span: Option<OpenSpan>, answer: Option<T>) -> Option<T> {
    if let Some(span) = span {
        span.end_as(answer.is_none().then_some("unavailable"));
    }
    answer
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
