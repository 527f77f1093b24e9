//! The transaction of batches: their offsets, the views, and the note of what the cache does not have yet.

use std::{collections::BTreeMap, time::Instant};

use depot_consumer::{Batch, Failure, Record};
use depot_read_model::{CacheEntry, Change, ChangeNotice, EntityKind};
use depot_sabotage::Break;
use depot_schemas::Event;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    database_failure::failure,
    metrics,
    offsets::{self, Step},
    pending_cache::{self, ChangedRow},
    projections::{
        Occurrence,
        item::{self, ItemRow},
        item_history, newest, of_items, of_uploads,
        statistics::{self, Deltas},
        upload::{self, UploadRow},
    },
};

/// Stores batches in one version of the views.
#[derive(Debug, Clone)]
pub struct PostgresWriter {
    pool: PgPool,
    projection: i32,
}

/// What became of batches.
#[derive(Debug)]
pub struct Written {
    /// Of each batch whether it is committed. Where it is not, the stored offset is another, and nothing of it was written.
    pub stored: Vec<bool>,
    pub changes: StoredChanges,
}

/// What is to be told to Redis about committed batches.
#[derive(Debug)]
pub struct StoredChanges {
    /// When the transaction began: what is told much later may be older than what others told since.
    pub began: Instant,
    /// The generation under which the entries are to be written.
    pub generation: i64,
    /// Of each row that changed its new entry.
    pub entries: Vec<(ChangedRow, CacheEntry)>,
    /// Of each batch that changed something.
    pub notices: Vec<ChangeNotice>,
}

/// A row that changed, before the cache knows.
struct Stored<'a> {
    row: ChangedRow,
    entry: CacheEntry,
    record: &'a Record,
    event_time: OffsetDateTime,
}

impl PostgresWriter {
    pub fn new(pool: PgPool, projection: i32) -> Self {
        Self { pool, projection }
    }

    /// Stores batches of different partitions and their next offsets, in one transaction that begins with the offsets'
    /// compare-and-set. All transactions lock in one order: offsets, history, items, uploads, what is pending, and last
    /// the statistics, since batches of other partitions wait for these rows until the commit.
    ///
    /// # Errors
    /// Poison if the database refuses the values; transient otherwise, and then it may or may not be committed: the
    /// same batches again find that out by their offsets.
    pub async fn write(&self, batches: &[Batch<Event>]) -> Result<Written, Failure> {
        let began = Instant::now();
        let mut transaction = self
            .pool
            .begin()
            .await
            .map_err(|error| failure("begin a transaction", error))?;
        let steps: Vec<_> = batches.iter().map(step).collect();
        let stored = offsets::advance(&mut transaction, self.projection, &steps)
            .await
            .map_err(|error| failure("store the offset", error))?;
        let moved = batches.iter().zip(&stored).filter(|(_, stored)| **stored);
        let moved: Vec<&Batch<Event>> = moved.map(|(batch, _)| batch).collect();
        if depot_sabotage::has(Break::ViewOffsetFirst) && moved.iter().any(|batch| bears_the_mark(batch)) {
            let committed = transaction.commit().await;
            committed.map_err(|error| failure("store the offset by itself", error))?;
            depot_sabotage::die();
            return Ok(Written {
                stored: vec![false; batches.len()],
                changes: announce(&[], began, 0, Vec::new()),
            });
        }
        let (mut rows, deltas) = self.write_items(&mut transaction, &moved).await?;
        rows.extend(self.write_uploads(&mut transaction, &moved).await?);
        let generation = self.note(&mut transaction, &rows).await?;
        statistics::apply(&mut transaction, self.projection, &deltas)
            .await
            .map_err(|error| failure("store the statistics", error))?;
        transaction
            .commit()
            .await
            .map_err(|error| failure("commit the batches", error))?;
        let changes = announce(&moved, began, generation, rows);
        Ok(Written { stored, changes })
    }

    async fn write_items<'a>(
        &self,
        transaction: &mut PgConnection,
        batches: &[&'a Batch<Event>],
    ) -> Result<(Vec<Stored<'a>>, Deltas), Failure> {
        let occurrences = of_items(batches);
        if occurrences.is_empty() {
            return Ok(Default::default());
        }
        let (projection, count) = (self.projection, occurrences.len());
        let history = item_history::insert(transaction, projection, &occurrences).await;
        let history = history.map_err(|error| failure("store the history of items", error))? as usize;
        metrics::rows("item_history", history, count - history);

        let newest = newest(&occurrences);
        let rows: BTreeMap<Uuid, ItemRow> = newest
            .iter()
            .map(|(id, event)| (*id, ItemRow::of(event)))
            .collect();
        let transitions = item::upsert(transaction, projection, &rows).await;
        let transitions = transitions.map_err(|error| failure("store items", error))?;
        metrics::rows("item", transitions.len(), count - transitions.len());

        let changed = transitions.iter().filter_map(|transition| {
            let row = rows.get(&transition.id)?;
            Some(stored(
                EntityKind::Item,
                newest.get(&transition.id)?,
                row.cache_entry(),
            ))
        });
        let changed: Result<_, _> = changed.collect();
        Ok((changed?, Deltas::of(&transitions)))
    }

    async fn write_uploads<'a>(
        &self,
        transaction: &mut PgConnection,
        batches: &[&'a Batch<Event>],
    ) -> Result<Vec<Stored<'a>>, Failure> {
        let occurrences = of_uploads(batches);
        if occurrences.is_empty() {
            return Ok(Vec::new());
        }
        let newest = newest(&occurrences);
        let rows: BTreeMap<Uuid, UploadRow> = newest
            .iter()
            .map(|(id, event)| (*id, UploadRow::of(event)))
            .collect();
        let ids = upload::upsert(transaction, self.projection, &rows).await;
        let ids = ids.map_err(|error| failure("store uploads", error))?;
        metrics::rows("upload", ids.len(), occurrences.len() - ids.len());
        let changed = ids.iter().filter_map(|id| {
            let row = rows.get(id)?;
            Some(stored(EntityKind::Upload, newest.get(id)?, row.cache_entry()))
        });
        changed.collect()
    }

    /// Notes what changed, and tells the generation for it; where nothing changed neither is needed.
    async fn note(&self, transaction: &mut PgConnection, stored: &[Stored<'_>]) -> Result<i64, Failure> {
        if stored.is_empty() {
            return Ok(0);
        }
        let rows: Vec<ChangedRow> = stored.iter().map(|stored| stored.row).collect();
        pending_cache::note(transaction, self.projection, &rows)
            .await
            .map_err(|error| failure("note what the cache lacks", error))
    }
}

fn step(batch: &Batch<Event>) -> Step<'_> {
    Step {
        topic: &batch.topic,
        partition: batch.partition,
        expected: batch.expected_offset,
        next: batch.next_offset,
    }
}

/// Of a sabotaged projector: the batch in which it dies.
fn bears_the_mark(batch: &Batch<Event>) -> bool {
    batch.events.iter().any(|(record, _)| {
        depot_sabotage::hits(
            Break::ViewOffsetFirst,
            record.payload.as_deref().unwrap_or_default(),
        )
    })
}

fn stored<'a, D>(
    kind: EntityKind,
    occurrence: &Occurrence<'a, D>,
    entry: Result<CacheEntry, serde_json::Error>,
) -> Result<Stored<'a>, Failure> {
    let envelope = &occurrence.event.envelope;
    let entry = entry.map_err(|error| Failure::poison("no_json_form", error.to_string()))?;
    Ok(Stored {
        row: ChangedRow {
            kind,
            id: envelope.subject,
            version: envelope.version,
        },
        entry,
        record: occurrence.record,
        event_time: envelope.time,
    })
}

fn announce<'a>(
    batches: &[&'a Batch<Event>],
    began: Instant,
    generation: i64,
    mut stored: Vec<Stored<'a>>,
) -> StoredChanges {
    let now = OffsetDateTime::now_utc();
    stored
        .iter()
        .for_each(|stored| metrics::visible(stored.event_time, now));
    stored.sort_by_key(|stored| stored.record.offset);
    let mut changes: BTreeMap<(&str, i32), Vec<Change>> = BTreeMap::new();
    for Stored { row, record, .. } in &stored {
        let of_partition = changes
            .entry((record.topic.as_ref(), record.partition))
            .or_default();
        of_partition.push(Change {
            kind: row.kind,
            id: row.id,
            version: row.version,
            offset: record.offset,
        });
    }
    let mut notices = Vec::with_capacity(batches.len());
    for batch in batches {
        metrics::stored_batch(batch.events.len());
        if let Some(changes) = changes.remove(&(batch.topic.as_ref(), batch.partition)) {
            notices.push(ChangeNotice {
                topic: batch.topic.to_string(),
                partition: batch.partition,
                next_offset: batch.next_offset,
                changes,
            });
        }
    }
    StoredChanges {
        began,
        generation,
        notices,
        entries: stored
            .into_iter()
            .map(|stored| (stored.row, stored.entry))
            .collect(),
    }
}
