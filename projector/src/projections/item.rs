//! The view of items: `read.items`.

use depot_service::database::Pool;
use std::collections::BTreeMap;

use depot_read_model::{AttachedFile, CacheEntry, ItemView};
use depot_sabotage::Break;
use depot_schemas::ItemData;
use serde_json::{Map, Value};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    LogBases, Occurrence, item_history,
    statistics::{Counted, Transition},
};
use crate::pending_cache::Telling;

/// An item as an event has it.
#[derive(Debug, Clone)]
pub(crate) struct ItemRow {
    pub(crate) view: ItemView,
    pub(crate) epoch: i32,
    pub(crate) deleted: bool,
}

impl ItemRow {
    pub(crate) fn of(occurrence: &Occurrence<'_, ItemData>) -> Self {
        let mut view = ItemView::from(occurrence.data.item.clone());
        if depot_sabotage::has(Break::Diverged) {
            view.description.clear();
        }
        Self {
            view,
            epoch: occurrence.version().epoch,
            deleted: occurrence.data.item.deleted,
        }
    }

    pub(crate) fn cache_entry(&self) -> Result<CacheEntry, serde_json::Error> {
        self.view.cache_entry(self.epoch, self.deleted)
    }

    fn counted(&self) -> Option<Counted> {
        (!self.deleted).then(|| Counted {
            owner: self.view.owner.clone(),
            tags: self.view.tags.iter().cloned().collect(),
            files: self.view.files.len() as i64,
            file_bytes: self
                .view
                .files
                .iter()
                .map(|file| file.size_bytes)
                .fold(0, i64::saturating_add),
        })
    }
}

/// The columns of `read.items` for UNNEST.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    owners: Vec<String>,
    names: Vec<String>,
    descriptions: Vec<String>,
    tags: Vec<Json<&'a [String]>>,
    attributes: Vec<Json<&'a Map<String, Value>>>,
    statuses: Vec<String>,
    files: Vec<Json<&'a [AttachedFile]>>,
    epochs: Vec<i32>,
    versions: Vec<i64>,
    created: Vec<OffsetDateTime>,
    updated: Vec<OffsetDateTime>,
    deleted: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, row: &'a ItemRow) {
        self.ids.push(row.view.id);
        self.owners.push(row.view.owner.clone());
        self.names.push(row.view.name.clone());
        self.descriptions.push(row.view.description.clone());
        self.tags.push(Json(&row.view.tags));
        self.attributes.push(Json(&row.view.attributes));
        self.statuses.push(row.view.status.clone());
        self.files.push(Json(&row.view.files));
        self.epochs.push(row.epoch);
        self.versions.push(row.view.version);
        self.created.push(row.view.created_at);
        self.updated.push(row.view.updated_at);
        self.deleted.push(row.deleted);
    }
}

/// What became of events of items.
#[derive(Debug)]
pub(crate) struct StoredItems {
    /// How many versions the history did not have.
    pub(crate) versions: usize,
    pub(crate) telling: Telling,
    /// Of each row that was replaced or inserted what it was and what it is.
    pub(crate) transitions: Vec<Transition>,
}

/// Stores events in the history, the newest of each item in `rows` if it is newer than what is there, and notes of these
/// that the cache lacks them, if it is to be told: see `store_items.sql`.
///
/// In one statement: what is there is locked and read before it is replaced, so the transitions add up to the difference
/// that the statement makes, whatever is repeated or out of order. A deleted item's row stays, with its version, and
/// refuses what is older.
pub(crate) async fn store(
    transaction: &mut PgConnection,
    projection: i32,
    occurrences: &[Occurrence<'_, ItemData>],
    rows: &BTreeMap<Uuid, ItemRow>,
    bases: &LogBases<'_>,
) -> Result<StoredItems, sqlx::Error> {
    let mut columns = Columns::default();
    rows.values().for_each(|row| columns.push(row));
    let history = item_history::Columns::of(occurrences, bases);
    let found = sqlx::query_file!(
        "src/projections/store_items.sql",
        projection,
        &columns.ids,
        &columns.owners,
        &columns.names,
        &columns.descriptions,
        columns.tags as _,
        columns.attributes as _,
        &columns.statuses,
        columns.files as _,
        &columns.epochs,
        &columns.versions,
        &columns.created,
        &columns.updated,
        &columns.deleted,
        &history.items,
        &history.epochs,
        &history.versions,
        &history.events,
        &history.types,
        &history.causes,
        &history.actors,
        history.changed as _,
        history.states as _,
        &history.times,
        &history.topics as &[&str],
        &history.partitions,
        &history.offsets
    )
    .fetch_all(transaction)
    .await?;
    let first = found.first().ok_or(sqlx::Error::RowNotFound)?;
    let versions = first.versions as usize;
    let telling = Telling {
        serves: first.serves,
        generation: first.generation,
    };
    let transitions = found.into_iter().filter_map(|old| {
        let id = old.id?;
        // A tombstone counts for nothing.
        let owner = old.owner.filter(|_| old.deleted == Some(false));
        let before = owner.map(|owner| Counted {
            owner,
            tags: old.tags.unwrap_or_default().into_iter().collect(),
            files: old.files.unwrap_or(0),
            file_bytes: old.file_bytes.unwrap_or(0),
        });
        let after = rows.get(&id)?.counted();
        Some(Transition { id, before, after })
    });
    Ok(StoredItems {
        versions,
        telling,
        transitions: transitions.collect(),
    })
}

/// The rows of these ids as they are now, tombstones included.
pub(crate) async fn load(pool: &Pool, projection: i32, ids: &[Uuid]) -> Result<Vec<ItemRow>, sqlx::Error> {
    let rows = sqlx::query!(
        // A probe of the primary key for each: with `= ANY` the planner may read the projection whole.
        r#"SELECT item.id, owner, name, description, tags, attributes AS "attributes: Json<Map<String, Value>>", status,
                  files AS "files: Json<Vec<AttachedFile>>", epoch, version, created_at, updated_at, deleted
           FROM unnest($2::uuid[]) AS wanted (id)
           CROSS JOIN LATERAL (
               SELECT t.* FROM read.items t WHERE t.projection = $1 AND t.id = wanted.id OFFSET 0
           ) AS item"#,
        projection,
        ids
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ItemRow {
            view: ItemView {
                id: row.id,
                name: row.name,
                description: row.description,
                tags: row.tags,
                attributes: row.attributes.0,
                status: row.status,
                owner: row.owner,
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
                files: row.files.0,
            },
            epoch: row.epoch,
            deleted: row.deleted,
        })
        .collect())
}
