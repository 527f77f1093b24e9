//! The transaction of a batch: the offset, the views, and the note of what the cache does not have yet.

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

/// What became of a batch.
#[derive(Debug)]
pub enum Written {
    /// It is committed.
    Stored(StoredBatch),
    /// The stored offset is not the batch's: nothing was written.
    OffsetMoved,
}

/// What is to be told to Redis about a committed batch.
#[derive(Debug)]
pub struct StoredBatch {
    /// When the transaction began: what is told much later may be older than what others told since.
    pub began: Instant,
    /// The generation under which the entries are to be written.
    pub generation: i64,
    /// Of each row that changed its new entry.
    pub entries: Vec<(ChangedRow, CacheEntry)>,
    pub notice: ChangeNotice,
}

/// A row that changed, before the cache knows.
struct Stored {
    row: ChangedRow,
    entry: CacheEntry,
    offset: i64,
    event_time: OffsetDateTime,
}

impl PostgresWriter {
    pub fn new(pool: PgPool, projection: i32) -> Self {
        Self { pool, projection }
    }

    /// Stores a batch and its next offset, in one transaction that begins with the offset's compare-and-set.
    ///
    /// # Errors
    /// Poison if the database refuses the values; transient otherwise, and then it may or may not be committed: the
    /// same batch again finds that out by its offset.
    pub async fn write(&self, batch: &Batch<Event>) -> Result<Written, Failure> {
        let began = Instant::now();
        let mut transaction = self
            .pool
            .begin()
            .await
            .map_err(|error| failure("begin a transaction", error))?;
        let step = Step {
            topic: &batch.topic,
            partition: batch.partition,
            expected: batch.expected_offset,
            next: batch.next_offset,
        };
        let moved = offsets::advance(&mut transaction, self.projection, step).await;
        if !moved.map_err(|error| failure("store the offset", error))? {
            transaction
                .rollback()
                .await
                .map_err(|error| failure("roll back", error))?;
            return Ok(Written::OffsetMoved);
        }
        if depot_sabotage::has(Break::ViewOffsetFirst) && batch.events.iter().any(bears_the_mark) {
            let committed = transaction.commit().await;
            committed.map_err(|error| failure("store the offset by itself", error))?;
            depot_sabotage::die();
            return Ok(Written::OffsetMoved);
        }
        let mut stored = self.write_items(&mut transaction, batch).await?;
        stored.extend(self.write_uploads(&mut transaction, batch).await?);
        stored.sort_by_key(|stored| stored.offset);
        let generation = self.note(&mut transaction, &stored).await?;
        transaction
            .commit()
            .await
            .map_err(|error| failure("commit the batch", error))?;
        Ok(Written::Stored(announce(batch, began, generation, stored)))
    }

    async fn write_items(
        &self,
        transaction: &mut PgConnection,
        batch: &Batch<Event>,
    ) -> Result<Vec<Stored>, Failure> {
        let occurrences = of_items(&batch.events);
        if occurrences.is_empty() {
            return Ok(Vec::new());
        }
        let (projection, count) = (self.projection, occurrences.len());
        let history = item_history::insert(
            transaction,
            projection,
            &batch.topic,
            batch.partition,
            &occurrences,
        )
        .await;
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
        // Last, since batches of other partitions wait for these rows until the commit.
        statistics::apply(transaction, projection, &Deltas::of(&transitions))
            .await
            .map_err(|error| failure("store the statistics", error))?;

        let changed = transitions.iter().filter_map(|transition| {
            let row = rows.get(&transition.id)?;
            Some(stored(
                EntityKind::Item,
                newest.get(&transition.id)?,
                row.cache_entry(),
            ))
        });
        changed.collect()
    }

    async fn write_uploads(
        &self,
        transaction: &mut PgConnection,
        batch: &Batch<Event>,
    ) -> Result<Vec<Stored>, Failure> {
        let occurrences = of_uploads(&batch.events);
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
    async fn note(&self, transaction: &mut PgConnection, stored: &[Stored]) -> Result<i64, Failure> {
        if stored.is_empty() {
            return Ok(0);
        }
        let rows: Vec<ChangedRow> = stored.iter().map(|stored| stored.row).collect();
        pending_cache::note(transaction, self.projection, &rows)
            .await
            .map_err(|error| failure("note what the cache lacks", error))
    }
}

/// Of a sabotaged projector: the batch in which it dies.
fn bears_the_mark((record, _): &(Record, Event)) -> bool {
    depot_sabotage::hits(
        Break::ViewOffsetFirst,
        record.payload.as_deref().unwrap_or_default(),
    )
}

fn stored<D>(
    kind: EntityKind,
    occurrence: &Occurrence<'_, D>,
    entry: Result<CacheEntry, serde_json::Error>,
) -> Result<Stored, Failure> {
    let envelope = &occurrence.event.envelope;
    let entry = entry.map_err(|error| Failure::poison("no_json_form", error.to_string()))?;
    Ok(Stored {
        row: ChangedRow {
            kind,
            id: envelope.subject,
            version: envelope.version,
        },
        entry,
        offset: occurrence.record.offset,
        event_time: envelope.time,
    })
}

fn announce(batch: &Batch<Event>, began: Instant, generation: i64, stored: Vec<Stored>) -> StoredBatch {
    metrics::stored_batch(batch.events.len());
    let now = OffsetDateTime::now_utc();
    stored
        .iter()
        .for_each(|stored| metrics::visible(stored.event_time, now));
    let change = |stored: &Stored| Change {
        kind: stored.row.kind,
        id: stored.row.id,
        version: stored.row.version,
        offset: stored.offset,
    };
    let notice = ChangeNotice {
        topic: batch.topic.to_string(),
        partition: batch.partition,
        next_offset: batch.next_offset,
        changes: stored.iter().map(change).collect(),
    };
    let entries = stored
        .into_iter()
        .map(|stored| (stored.row, stored.entry))
        .collect();
    StoredBatch {
        began,
        generation,
        entries,
        notice,
    }
}
