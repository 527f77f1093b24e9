//! Reads by key through the layers: the process, Redis, Postgres.
//!
//! How old an answer can be that names no version: what the process holds is [`LocalCacheSettings::ttl`] old at most;
//! what Redis holds was written by the projector after its commit, or filled from Postgres at most five seconds ago, to
//! which the lag of a replica adds; what it holds from before an outage of its own is passed by within a second.

use std::{sync::Arc, time::Duration};

use depot_domain::{ItemId, UploadId, VersionToken};
use depot_read_model::{CacheEntry, EntityKind};
use depot_sabotage::Break;
use metrics::{Counter, counter};
use moka::{future::Cache as LocalCache, ops::compute::Op};
use uuid::Uuid;

use super::{
    ReadError, cache::Cache, pointer::Pointer, rows::PointerRow, single_flight::SingleFlight,
    sources::Sources,
};
use crate::{read::Views, visibility::Versioned};

/// Reads by key, by layer and outcome.
pub const READS_TOTAL: &str = "depot_query_reads_total";

/// Says what the metrics of this module mean.
pub fn describe_metrics() {
    metrics::describe_counter!(
        READS_TOTAL,
        metrics::Unit::Count,
        "Reads by key by layer, and all that a replica was asked; layer is process, redis, replica or postgres, \
         outcome is hit, miss, answer or error."
    );
    // Present from the start: a ratio of a series that does not exist yet is nothing, and not 0.
    for (layer, outcome) in [
        ("process", "hit"),
        ("process", "miss"),
        ("redis", "hit"),
        ("redis", "miss"),
        ("redis", "error"),
        ("postgres", "hit"),
        ("postgres", "miss"),
    ] {
        counter!(READS_TOTAL, "layer" => layer, "outcome" => outcome).increment(0);
    }
}

/// The cache inside the process.
#[derive(Debug, Clone, Copy)]
pub struct LocalCacheSettings {
    /// How long an entry is served without a look elsewhere; zero only joins reads that happen together.
    pub ttl: Duration,
    /// The most bytes that are held.
    pub max_bytes: u64,
}

/// An item, its tombstone, or an upload, as every layer holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The version of the views that shows it.
    pub projection: i32,
    pub entry: CacheEntry,
}

impl Versioned for Held {
    fn token(&self) -> VersionToken {
        self.entry.version
    }
}

type Answer = Option<Arc<Held>>;
/// The pointer is part of the key: a switch of the views or a new generation makes what is held unreachable.
type LocalKey = (PointerRow, EntityKind, Uuid);

/// How often the process itself had the answer. Looked up once: such a read takes less than a microsecond.
#[derive(Debug, Clone)]
struct LocalReads {
    hit: Counter,
    miss: Counter,
}

impl LocalReads {
    fn new() -> Self {
        let of = |outcome| counter!(READS_TOTAL, "layer" => "process", "outcome" => outcome);
        Self {
            hit: of("hit"),
            miss: of("miss"),
        }
    }
}

/// Which Postgres is asked.
#[derive(Debug, Clone, Copy)]
enum Server {
    Any,
    Primary,
}

/// Reads by key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    sources: Sources,
    cache: Cache,
    pointer: Pointer,
    /// None where nothing is kept: putting an entry that ends at once costs as much as one that stays.
    local: Option<LocalCache<LocalKey, Answer>>,
    local_reads: LocalReads,
    flights: Arc<SingleFlight<LocalKey, Result<Answer, Arc<ReadError>>>>,
}

impl Reader {
    pub fn new(sources: Sources, cache: Cache, pointer: Pointer, settings: LocalCacheSettings) -> Self {
        let weight = |_: &LocalKey, answer: &Answer| {
            let body = answer
                .as_ref()
                .and_then(|held| held.entry.body.as_ref())
                .map_or(0, |body| body.len());
            u32::try_from(body).unwrap_or(u32::MAX).saturating_add(256)
        };
        let ttl = match depot_sabotage::has(Break::Forbidden) {
            // For whoever comes next to find in any case.
            true => Duration::from_secs(10),
            false => settings.ttl,
        };
        let local = (!ttl.is_zero()).then(|| {
            LocalCache::builder()
                .max_capacity(settings.max_bytes)
                .weigher(weight)
                .time_to_live(ttl)
                .build()
        });
        Self {
            sources,
            cache,
            pointer,
            local,
            local_reads: LocalReads::new(),
            flights: Arc::default(),
        }
    }

    /// What no cache answers: lists, history, statistics.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The item or its tombstone, from any layer. Reads of one item that come together share one look.
    pub async fn item(&self, id: ItemId) -> Result<Answer, Arc<ReadError>> {
        self.through_layers(EntityKind::Item, id.0).await
    }

    /// The item or its tombstone, if Redis has it.
    pub async fn item_told(&self, id: ItemId) -> Answer {
        self.told(EntityKind::Item, id.0).await
    }

    /// The item or its tombstone, by a statement that starts now.
    pub async fn item_now(&self, id: ItemId) -> Result<Answer, Arc<ReadError>> {
        self.now(EntityKind::Item, id.0).await
    }

    /// The upload, from any layer. Reads of one upload that come together share one look.
    pub async fn upload(&self, id: UploadId) -> Result<Answer, Arc<ReadError>> {
        self.through_layers(EntityKind::Upload, id.0).await
    }

    /// The upload, if Redis has it.
    pub async fn upload_told(&self, id: UploadId) -> Answer {
        self.told(EntityKind::Upload, id.0).await
    }

    /// The upload, by a statement that starts now.
    pub async fn upload_now(&self, id: UploadId) -> Result<Answer, Arc<ReadError>> {
        self.now(EntityKind::Upload, id.0).await
    }

    /// Whether the process holds the upload: it would answer without a look elsewhere.
    pub fn holds_upload(&self, id: UploadId) -> bool {
        let key = |pointer| (pointer, EntityKind::Upload, id.0);
        let pointer = self.pointer.current();
        let both = self.local.as_ref().zip(pointer);
        both.is_some_and(|(local, pointer)| local.contains_key(&key(pointer)))
    }

    async fn through_layers(&self, kind: EntityKind, id: Uuid) -> Result<Answer, Arc<ReadError>> {
        let Some(pointer) = self.pointer.current() else {
            return Ok(self.row(kind, id, Server::Any).await?);
        };
        let key = (pointer, kind, id);
        if let Some(local) = &self.local {
            if let Some(held) = local.get(&key).await {
                self.local_reads.hit.increment(1);
                return Ok(held);
            }
            self.local_reads.miss.increment(1);
        }
        let look = async {
            let answer = match self.cache.get(pointer, kind, id).await {
                Some(entry) => Some(Arc::new(Held {
                    projection: pointer.projection,
                    entry,
                })),
                None => self.row_into_cache(pointer, kind, id, Server::Any).await?,
            };
            // Before those that waited go on: who comes after them finds it.
            if let Some(local) = &self.local {
                local.insert(key, answer.clone()).await;
            }
            Ok(answer)
        };
        self.flights.join(key, look).await
    }

    /// What the projector told Redis is kept in the process too, unless that holds a newer one: who has seen that would be
    /// shown an older one.
    async fn told(&self, kind: EntityKind, id: Uuid) -> Answer {
        let pointer = self.pointer.current()?;
        let entry = self.cache.get(pointer, kind, id).await?;
        let held = Arc::new(Held {
            projection: pointer.projection,
            entry,
        });
        let Some(local) = &self.local else {
            return Some(held);
        };
        let newer = |kept: &Answer| kept.as_ref().is_some_and(|kept| kept.token() > held.token());
        local
            .entry((pointer, kind, id))
            .and_compute_with(|kept| {
                std::future::ready(match kept {
                    // Not put again: its time would begin anew.
                    Some(kept) if newer(kept.value()) => Op::Nop,
                    _ => Op::Put(Some(Arc::clone(&held))),
                })
            })
            .await;
        Some(held)
    }

    /// Joins nobody: a read that was under way when a change was announced may be one from before it.
    async fn now(&self, kind: EntityKind, id: Uuid) -> Result<Answer, Arc<ReadError>> {
        let Some(pointer) = self.pointer.current() else {
            return Ok(self.row(kind, id, Server::Primary).await?);
        };
        let answer = self.row_into_cache(pointer, kind, id, Server::Primary).await?;
        if let Some(local) = &self.local {
            local.invalidate(&(pointer, kind, id)).await;
        }
        Ok(answer)
    }

    /// The pointer was taken before the row is read: a key of an older generation does no harm.
    async fn row_into_cache(
        &self,
        pointer: PointerRow,
        kind: EntityKind,
        id: Uuid,
        server: Server,
    ) -> Result<Answer, ReadError> {
        let answer = self.row(kind, id, server).await?;
        if let Some(held) = answer
            .as_ref()
            .filter(|held| held.projection == pointer.projection)
        {
            self.cache.fill(pointer, kind, id, &held.entry).await;
        }
        Ok(answer)
    }

    async fn row(&self, kind: EntityKind, id: Uuid, server: Server) -> Result<Answer, ReadError> {
        let ask = |views: Views| async move {
            Ok(match kind {
                EntityKind::Item => {
                    let row = views.item(ItemId(id)).await?;
                    row.map(|row| (row.projection, row.into_entry()))
                }
                EntityKind::Upload => {
                    let row = views.upload(UploadId(id)).await?;
                    row.map(|row| (row.projection, row.into_entry()))
                }
            })
        };
        let found = match server {
            Server::Any => self.sources.anywhere(ask).await?,
            Server::Primary => ask(self.sources.primary().clone()).await?,
        };
        let outcome = if found.is_some() { "hit" } else { "miss" };
        counter!(READS_TOTAL, "layer" => "postgres", "outcome" => outcome).increment(1);
        let Some((projection, entry)) = found else {
            return Ok(None);
        };
        let entry = entry.map_err(|source| ReadError::Representation {
            question: kind.as_str(),
            source,
        })?;
        Ok(Some(Arc::new(Held { projection, entry })))
    }
}
