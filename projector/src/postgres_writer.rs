//! The transaction of batches: their offsets, the views, and the note of what the cache does not have yet.

use std::{
    collections::BTreeMap,
    time::{Instant, SystemTime},
};

use depot_consumer::{Batch, Failure, Record};
use depot_read_model::{CacheEntry, Change, ChangeNotice, EntityKind};
use depot_sabotage::Break;
use depot_schemas::{Event, UploadData};
use depot_service::database::Pool;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    database_failure::failure,
    event_spans::Period,
    lost_history, metrics,
    offsets::{self, LogBases, Step},
    pending_cache::{self, ChangedRow},
    projections::{
        Occurrence, declared,
        item::{self, ItemRow},
        newest, of_items, of_uploads,
        statistics::{self, Deltas},
        upload::{self, UploadRow},
    },
};

/// Stores batches in one version of the views.
#[derive(Debug, Clone)]
pub struct PostgresWriter {
    pool: Pool,
    projection: i32,
}

/// What became of batches.
#[derive(Debug)]
pub struct Written {
    /// Of each batch whether it is committed. Where it is not, the stored offset is another, and nothing of it was written.
    pub stored: Vec<bool>,
    pub changes: StoredChanges,
    /// From when until when the transaction was, by the clock.
    pub period: Period,
    /// Events of all batches.
    pub events: usize,
}

/// What is to be told to Redis about committed batches; nothing of a version of the views that does not serve.
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
    /// None of what only tells a state once more: that was visible long ago.
    event_time: Option<OffsetDateTime>,
}

/// Rows of one view that changed, and the generation for their entries.
struct Changed<'a> {
    rows: Vec<Stored<'a>>,
    generation: i64,
}

impl Changed<'_> {
    fn nothing() -> Self {
        Self {
            rows: Vec::new(),
            // Any other is the smaller one.
            generation: i64::MAX,
        }
    }
}

impl PostgresWriter {
    pub fn new(pool: Pool, projection: i32) -> Self {
        Self { pool, projection }
    }

    /// Stores batches of different partitions and their next offsets, in one transaction that begins with the offsets'
    /// compare-and-set. All transactions lock in one order: offsets, history, items, uploads, declared aggregates, and last the statistics, since
    /// batches of other partitions wait for these rows until the commit.
    ///
    /// # Errors
    /// Poison if the database refuses the values; transient otherwise, and then it may or may not be committed: the
    /// same batches again find that out by their offsets.
    pub async fn write(&self, batches: &[Batch<Event>]) -> Result<Written, Failure> {
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let events = batches.iter().map(|batch| batch.events.len()).sum();
        let mut transaction = self
            .pool
            .begin()
            .await
            .map_err(|error| failure("begin a transaction", error))?;
        let steps: Vec<_> = batches.iter().map(step).collect();
        let made = offsets::advance(&mut transaction, self.projection, &steps)
            .await
            .map_err(|error| failure("store the offset", error))?;
        let bases = LogBases::of(&steps, &made);
        let stored: Vec<bool> = made.iter().map(Option::is_some).collect();
        let moved = batches.iter().zip(&stored).filter(|(_, stored)| **stored);
        let moved: Vec<&Batch<Event>> = moved.map(|(batch, _)| batch).collect();
        if depot_sabotage::has(Break::ViewOffsetFirst) && moved.iter().any(|batch| bears_the_mark(batch)) {
            let committed = transaction.commit().await;
            committed.map_err(|error| failure("store the offset by itself", error))?;
            depot_sabotage::die();
            return Ok(Written {
                stored: vec![false; batches.len()],
                changes: announce(&[], &bases, began, 0, Vec::new()),
                period: (began_at, SystemTime::now()),
                events,
            });
        }
        let (items, deltas) = self.write_items(&mut transaction, &moved, &bases).await?;
        let uploads = self.write_uploads(&mut transaction, &moved).await?;
        let declared = declared::store(&mut transaction, self.projection, &moved)
            .await
            .map_err(|error| failure("store declared aggregates", error))?;
        statistics::apply(&mut transaction, self.projection, &deltas)
            .await
            .map_err(|error| failure("store the statistics", error))?;
        transaction
            .commit()
            .await
            .map_err(|error| failure("commit the batches", error))?;
        tell(&declared);
        let period = (began_at, SystemTime::now());
        // Each was read after the offsets were taken, and so is as good as the other for all rows; who was told the older one
        // loses the cache earlier.
        let generation = items.generation.min(uploads.generation);
        let rows: Vec<Stored<'_>> = items.rows.into_iter().chain(uploads.rows).collect();
        let changes = announce(&moved, &bases, began, generation, rows);
        Ok(Written {
            stored,
            changes,
            period,
            events,
        })
    }

    async fn write_items<'a>(
        &self,
        transaction: &mut PgConnection,
        batches: &[&'a Batch<Event>],
        bases: &LogBases<'_>,
    ) -> Result<(Changed<'a>, Deltas), Failure> {
        let occurrences = of_items(batches);
        if occurrences.is_empty() {
            return Ok((Changed::nothing(), Deltas::default()));
        }
        let count = occurrences.len();
        let newest = newest(&occurrences);
        let rows: BTreeMap<Uuid, ItemRow> = newest
            .iter()
            .map(|(id, event)| (*id, ItemRow::of(event)))
            .collect();
        let found = item::store(transaction, self.projection, &occurrences, &rows, bases).await;
        let found = found.map_err(|error| failure("store items and their history", error))?;
        let forgotten = lost_history::forget(transaction, self.projection, &occurrences).await;
        forgotten.map_err(|error| failure("forget a history that is over", error))?;
        metrics::rows("item_history", found.versions, count - found.versions);
        metrics::rows("item", found.transitions.len(), count - found.transitions.len());

        let told = found.transitions.iter().filter(|_| found.telling.serves);
        let changed = told.filter_map(|transition| {
            let row = rows.get(&transition.id)?;
            Some(stored(
                EntityKind::Item,
                newest.get(&transition.id)?,
                row.cache_entry(),
            ))
        });
        let changed = Changed {
            rows: changed.collect::<Result<_, _>>()?,
            generation: found.telling.generation,
        };
        Ok((changed, Deltas::of(&found.transitions)))
    }

    async fn write_uploads<'a>(
        &self,
        transaction: &mut PgConnection,
        batches: &[&'a Batch<Event>],
    ) -> Result<Changed<'a>, Failure> {
        let occurrences = of_uploads(batches);
        if occurrences.is_empty() {
            return Ok(Changed::nothing());
        }
        let newest = newest(&occurrences);
        let rows: BTreeMap<Uuid, UploadRow> = newest
            .iter()
            .map(|(id, event)| (*id, UploadRow::of(event)))
            .collect();
        let ids = upload::upsert(transaction, self.projection, &rows).await;
        let ids = ids.map_err(|error| failure("store uploads", error))?;
        metrics::rows("upload", ids.len(), occurrences.len() - ids.len());
        if ids.is_empty() {
            return Ok(Changed::nothing());
        }
        let changed = ids.iter().filter_map(|id| newest.get(id).map(changed_upload));
        let noted: Vec<ChangedRow> = changed.collect();
        let telling = pending_cache::note(transaction, self.projection, &noted).await;
        let telling = telling.map_err(|error| failure("note what the cache lacks", error))?;
        let told = ids.iter().filter(|_| telling.serves);
        let changed = told.filter_map(|id| {
            let row = rows.get(id)?;
            Some(stored(EntityKind::Upload, newest.get(id)?, row.cache_entry()))
        });
        Ok(Changed {
            rows: changed.collect::<Result<_, _>>()?,
            generation: telling.generation,
        })
    }
}

/// Redis has nothing of declared aggregates: what is visible is in Postgres.
fn tell(declared: &declared::Stored) {
    if declared.events == 0 {
        return;
    }
    metrics::rows("declared", declared.rows, declared.events - declared.rows);
    let now = OffsetDateTime::now_utc();
    declared
        .times
        .iter()
        .for_each(|time| metrics::visible(*time, now));
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

fn changed_upload(occurrence: &Occurrence<'_, UploadData>) -> ChangedRow {
    ChangedRow {
        kind: EntityKind::Upload,
        id: occurrence.event.envelope.subject,
        version: occurrence.version(),
    }
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
        event_time: (!envelope.event_type.is_snapshot()).then_some(envelope.time),
    })
}

fn announce<'a>(
    batches: &[&'a Batch<Event>],
    bases: &LogBases<'_>,
    began: Instant,
    generation: i64,
    mut stored: Vec<Stored<'a>>,
) -> StoredChanges {
    let now = OffsetDateTime::now_utc();
    stored
        .iter()
        .filter_map(|stored| stored.event_time)
        .for_each(|event_time| metrics::visible(event_time, now));
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
            offset: bases.place(&record.topic, record.partition, record.offset),
        });
    }
    let mut notices = Vec::with_capacity(batches.len());
    for batch in batches {
        metrics::stored_batch(batch.events.len());
        if let Some(changes) = changes.remove(&(batch.topic.as_ref(), batch.partition)) {
            notices.push(ChangeNotice {
                topic: batch.topic.to_string(),
                partition: batch.partition,
                next_offset: bases.place(&batch.topic, batch.partition, batch.next_offset),
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
