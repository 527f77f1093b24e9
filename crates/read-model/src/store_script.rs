use std::time::Duration;

use depot_sabotage::Break;
use redis::{FromRedisValue, ParsingError, Pipeline, RedisResult, Script, Value, aio::ConnectionLike};

use crate::entry::CacheEntry;

/// The longest time to live of an entry that is written from a row read earlier, by anyone but the projector: a
/// newer entry may have come and gone between the read and the write.
pub const MAX_FILL_TTL: Duration = Duration::from_secs(5);

const CODE: &str = include_str!("store_script.lua");
/// What a sabotaged cache does: it looks at nothing.
const BLIND: &str = "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1";

fn code() -> &'static str {
    match depot_sabotage::has(Break::BlindCache) {
        true => BLIND,
        false => CODE,
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOutcome {
    Stored,
    /// The same version is there, for as long at least.
    Unchanged,
    /// A newer version is there and stays.
    RefusedAsOlder,
}

impl FromRedisValue for StoreOutcome {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match i64::from_redis_value(value)? {
            1 => Ok(Self::Stored),
            2 => Ok(Self::Unchanged),
            _ => Ok(Self::RefusedAsOlder),
        }
    }
}

/// The only way to write an entry: compare-and-set on (epoch, version), with a time to live. Make it once, share it.
#[derive(Debug)]
pub struct StoreScript {
    script: Script,
}

impl Default for StoreScript {
    fn default() -> Self {
        Self {
            script: Script::new(code()),
        }
    }
}

impl StoreScript {
    /// Stores one entry for `ttl` (cut to whole milliseconds, at least one), unless a newer one is there.
    ///
    /// # Errors
    /// Redis does not answer, or refuses.
    pub async fn store(
        &self,
        connection: &mut impl ConnectionLike,
        key: &str,
        entry: &CacheEntry,
        ttl: Duration,
    ) -> RedisResult<StoreOutcome> {
        self.script
            .key(key)
            .arg(entry.to_bytes())
            .arg(millis(ttl))
            .invoke_async(connection)
            .await
    }

    /// Adds what the [`append`](Self::append)s that follow in the pipeline need; it adds no answer.
    pub fn load(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(code()).ignore();
    }

    /// Adds one entry to a pipeline; its answer is a [`StoreOutcome`].
    pub fn append(&self, pipeline: &mut Pipeline, key: &str, entry: &CacheEntry, ttl: Duration) {
        let call = pipeline
            .cmd("EVALSHA")
            .arg(self.script.get_hash())
            .arg(1)
            .arg(key);
        call.arg(entry.to_bytes()).arg(millis(ttl));
    }
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
