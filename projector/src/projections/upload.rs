//! The view of uploads: `read.uploads`.

use depot_service::database::Pool;
use std::collections::BTreeMap;

use depot_read_model::{CacheEntry, ThumbnailView, UploadView};
use depot_schemas::{ThumbnailState, UploadData};
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Occurrence;

/// An upload as an event has it.
#[derive(Debug, Clone)]
pub(crate) struct UploadRow {
    pub(crate) view: UploadView,
    pub(crate) epoch: i32,
    /// No part of what clients see.
    pub(crate) object_key: Option<String>,
    /// With its key, which is no part of what clients see either.
    pub(crate) thumbnail: Option<ThumbnailState>,
}

impl UploadRow {
    pub(crate) fn of(occurrence: &Occurrence<'_, UploadData>) -> Self {
        Self {
            view: UploadView::from(occurrence.data.upload.clone()),
            epoch: occurrence.version().epoch,
            object_key: occurrence.data.upload.object_key.clone(),
            thumbnail: occurrence.data.upload.thumbnail.clone(),
        }
    }

    pub(crate) fn cache_entry(&self) -> Result<CacheEntry, serde_json::Error> {
        self.view.cache_entry(self.epoch)
    }
}

/// The columns of `read.uploads` for UNNEST.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    items: Vec<Uuid>,
    owners: Vec<String>,
    file_names: Vec<String>,
    content_types: Vec<String>,
    sizes: Vec<i64>,
    sha256s: Vec<String>,
    statuses: Vec<String>,
    reasons: Vec<Option<String>>,
    object_keys: Vec<Option<String>>,
    epochs: Vec<i32>,
    versions: Vec<i64>,
    created: Vec<OffsetDateTime>,
    updated: Vec<OffsetDateTime>,
    expires: Vec<OffsetDateTime>,
    thumbnails: Vec<Option<Json<ThumbnailState>>>,
}

impl Columns {
    fn push(&mut self, row: &UploadRow) {
        self.ids.push(row.view.id);
        self.items.push(row.view.item_id);
        self.owners.push(row.view.owner.clone());
        self.file_names.push(row.view.file_name.clone());
        self.content_types.push(row.view.content_type.clone());
        self.sizes.push(row.view.size_bytes);
        self.sha256s.push(row.view.sha256.clone());
        self.statuses.push(row.view.status.clone());
        self.reasons.push(row.view.reason.clone());
        self.object_keys.push(row.object_key.clone());
        self.epochs.push(row.epoch);
        self.versions.push(row.view.version);
        self.created.push(row.view.created_at);
        self.updated.push(row.view.updated_at);
        self.expires.push(row.view.expires_at);
        self.thumbnails.push(row.thumbnail.clone().map(Json));
    }
}

/// Stores the rows that are newer than what is there, and returns their ids. `rows` holds one row for each id.
pub(crate) async fn upsert(
    transaction: &mut PgConnection,
    projection: i32,
    rows: &BTreeMap<Uuid, UploadRow>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut columns = Columns::default();
    rows.values().for_each(|row| columns.push(row));
    sqlx::query_scalar!(
        "INSERT INTO read.uploads AS t (projection, id, item_id, owner, file_name, content_type, size_bytes, sha256,
                                        status, reason, object_key, epoch, version, created_at, updated_at, expires_at,
                                        thumbnail)
         SELECT $1, u.*
         FROM unnest(
             $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
             $10::text[], $11::text[], $12::integer[], $13::bigint[], $14::timestamptz[], $15::timestamptz[],
             $16::timestamptz[], $17::jsonb[]
         ) AS u (id, item_id, owner, file_name, content_type, size_bytes, sha256, status, reason, object_key, epoch,
                 version, created_at, updated_at, expires_at, thumbnail)
         ORDER BY u.id
         ON CONFLICT (projection, id) DO UPDATE SET
             item_id = EXCLUDED.item_id, owner = EXCLUDED.owner, file_name = EXCLUDED.file_name,
             content_type = EXCLUDED.content_type, size_bytes = EXCLUDED.size_bytes, sha256 = EXCLUDED.sha256,
             status = EXCLUDED.status, reason = EXCLUDED.reason, object_key = EXCLUDED.object_key,
             epoch = EXCLUDED.epoch, version = EXCLUDED.version, created_at = EXCLUDED.created_at,
             updated_at = EXCLUDED.updated_at, expires_at = EXCLUDED.expires_at, thumbnail = EXCLUDED.thumbnail
         WHERE (t.epoch, t.version) < (EXCLUDED.epoch, EXCLUDED.version)
         RETURNING t.id",
        projection,
        &columns.ids,
        &columns.items,
        &columns.owners,
        &columns.file_names,
        &columns.content_types,
        &columns.sizes,
        &columns.sha256s,
        &columns.statuses,
        &columns.reasons as _,
        &columns.object_keys as _,
        &columns.epochs,
        &columns.versions,
        &columns.created,
        &columns.updated,
        &columns.expires,
        &columns.thumbnails as _
    )
    .fetch_all(transaction)
    .await
}

/// The rows of these ids as they are now.
pub(crate) async fn load(pool: &Pool, projection: i32, ids: &[Uuid]) -> Result<Vec<UploadRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT upload.id, item_id, owner, file_name, content_type, size_bytes, sha256, status, reason, object_key,
                  epoch, version, created_at, updated_at, expires_at, thumbnail AS "thumbnail: Json<ThumbnailState>"
           FROM unnest($2::uuid[]) AS wanted (id)
           CROSS JOIN LATERAL (
               SELECT t.* FROM read.uploads t WHERE t.projection = $1 AND t.id = wanted.id OFFSET 0
           ) AS upload"#,
        projection,
        ids
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| UploadRow {
            view: UploadView {
                thumbnail: ThumbnailView::of(&row.status, row.thumbnail.as_deref()),
                id: row.id,
                item_id: row.item_id,
                owner: row.owner,
                file_name: row.file_name,
                content_type: row.content_type,
                size_bytes: row.size_bytes,
                sha256: row.sha256,
                status: row.status,
                reason: row.reason,
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
                expires_at: row.expires_at,
            },
            epoch: row.epoch,
            object_key: row.object_key,
            thumbnail: row.thumbnail.map(|Json(thumbnail)| thumbnail),
        })
        .collect())
}
