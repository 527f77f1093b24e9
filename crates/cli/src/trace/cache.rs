//! Redis: the entry of what is traced, as query-api looks for it.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use depot_read_model::{CacheEntry, CacheKeys, EntityKind, redis_client};
use depot_service::{config::RedisConfig, problem::chain};
use redis::{AsyncCommands as _, AsyncConnectionConfig, aio::MultiplexedConnection};
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    hop::{Hop, HopState, NotSeen, Seen, Wait},
    moment,
    views::Views,
};
use crate::settings;

const NAME: &str = "cache (Redis)";
/// For connecting, and for each answer.
const LIMIT: Duration = Duration::from_secs(5);

/// What lies under the key; a `ttl` of none is an entry that does not end, which nobody of ours writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    pub key: String,
    /// None where nothing lies there, or what does is no entry of this version of Depot.
    pub entry: Option<Entry>,
    pub is_strange: bool,
    pub ttl: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub epoch: i32,
    pub version: i64,
    pub is_tombstone: bool,
}

/// Looks under the key of the views that serve.
pub async fn look(views: &Views, kind: EntityKind, id: Uuid) -> Seen<Cached> {
    let config = settings::read(RedisConfig::read).map_err(|errors| NotSeen(format!("Redis: {errors}")))?;
    let key = CacheKeys::new(&*config.key_prefix, views.projection, views.generation).key(kind, id);
    let mut conn = within("let this tool in", connect(&config)).await?;
    let bytes: Option<Bytes> = within("answer", get(&mut conn, &key)).await?;
    let millis: i64 = within("answer", conn.pttl(&key)).await?;
    let entry = bytes.clone().and_then(|bytes| CacheEntry::parse(bytes).ok());
    Ok(Cached {
        is_strange: bytes.is_some() && entry.is_none(),
        entry: entry.map(|entry| Entry {
            epoch: entry.version.epoch,
            version: entry.version.version,
            is_tombstone: entry.is_deleted(),
        }),
        key,
        ttl: u64::try_from(millis).ok().map(Duration::from_millis),
    })
}

async fn get(conn: &mut MultiplexedConnection, key: &str) -> redis::RedisResult<Option<Bytes>> {
    conn.get(key).await
}

async fn connect(config: &RedisConfig) -> redis::RedisResult<MultiplexedConnection> {
    let read = |path: &Path| fs::read(path).map_err(redis::RedisError::from);
    let authorities = config.tls.ca_file.as_deref().map(read).transpose()?;
    let identity = match &config.tls.identity {
        Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
        None => None,
    };
    let client = redis_client(config.url(), authorities, identity)?;
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LIMIT))
        .set_response_timeout(Some(LIMIT));
    client.get_multiplexed_async_connection_with_config(&limits).await
}

async fn within<T>(doing: &str, call: impl Future<Output = redis::RedisResult<T>>) -> Seen<T> {
    match timeout(LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(NotSeen(format!("Redis did not {doing}: {}", chain(&error)))),
        Err(_) => Err(NotSeen(format!(
            "Redis did not {doing} within {} s",
            LIMIT.as_secs()
        ))),
    }
}

pub fn hop(views: &Seen<Views>, cached: &Seen<Cached>, now: OffsetDateTime) -> Hop {
    let pending = views.as_ref().ok().and_then(|views| views.pending.as_ref());
    let hop = match cached {
        Err(why) => Hop::unseen(NAME, why),
        Ok(cached) => found(views, cached),
    };
    let Some(pending) = pending else {
        return hop;
    };
    let wait = Wait {
        is_stuck: false,
        place: "in the views".to_owned(),
        reason: format!("Redis has not been told of version {} yet", pending.version),
        advice: "see that a projector runs, and that Redis answers it (depot_projector_cache_up); reads are right meanwhile"
            .to_owned(),
    };
    let told = format!(
        "version {} noted {} and not told yet; {}",
        pending.version,
        moment::with_age(pending.noted_at, now),
        hop.detail
    );
    let state = match hop.state {
        HopState::Unknown => HopState::Unknown,
        _ => HopState::Waiting,
    };
    Hop {
        state,
        detail: told,
        ..hop
    }
    .since(pending.noted_at)
    .figure("pending_version", pending.version)
    .waits(wait)
}

/// A filler may have been late; what it wrote ends within seconds.
fn outlived(ttl: &str) -> Wait {
    Wait {
        is_stuck: false,
        place: "in the views".to_owned(),
        reason: format!("Redis has an older entry, {ttl}"),
        advice: "look again when it has ended; reads that name a version are right meanwhile".to_owned(),
    }
}

fn found(views: &Seen<Views>, cached: &Cached) -> Hop {
    let ttl = cached.ttl.map_or_else(
        || "without an end".to_owned(),
        |ttl| format!("for {} s", ttl.as_secs()),
    );
    let generation = views.as_ref().map_or(0, |views| views.generation);
    let row = views.as_ref().ok().and_then(|views| views.row.as_ref());
    let hop = match cached.entry {
        None if cached.is_strange => Hop::new(
            NAME,
            HopState::Done,
            format!("an entry of another form, which is passed by, {ttl}"),
        ),
        None => Hop::new(
            NAME,
            HopState::Done,
            format!("no entry in generation {generation}: it is read from the views"),
        ),
        Some(entry) => {
            let what = if entry.is_tombstone { "tombstone" } else { "entry" };
            let is_older = row.is_some_and(|row| (entry.epoch, entry.version) < (row.epoch, row.version));
            let state = if is_older {
                HopState::Waiting
            } else {
                HopState::Done
            };
            let older = if is_older { ", older than the view" } else { "" };
            let detail = format!(
                "{what} of version {}{older}, generation {generation}, {ttl}",
                entry.version
            );
            let hop = Hop::new(NAME, state, detail)
                .figure("version", entry.version)
                .figure("restore_epoch", entry.epoch);
            match is_older {
                true => hop.waits(outlived(&ttl)),
                false => hop,
            }
        }
    };
    hop.figure("key", &*cached.key)
        .figure("generation", generation)
        .figure(
            "ttl_seconds",
            cached.entry.and(cached.ttl).map(|ttl| ttl.as_secs()),
        )
}
