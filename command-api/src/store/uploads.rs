use depot_domain::{ItemId, Owner, Thumbnail, Upload, UploadId, UploadRequest};
use depot_schemas::ThumbnailState;
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, stored};

const TABLE: &str = "uploads";

struct Row {
    id: Uuid,
    item_id: Uuid,
    owner: String,
    file_name: String,
    content_type: String,
    size_bytes: i64,
    sha256: String,
    status: String,
    reason: Option<String>,
    object_key: Option<String>,
    thumbnail: Option<Json<ThumbnailState>>,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    part_size_bytes: Option<i64>,
    multipart_id: Option<String>,
}

impl Row {
    fn into_upload(self) -> Result<Upload, StoreError> {
        let id = self.id;
        Ok(Upload {
            id: UploadId(id),
            owner: stored(TABLE, id, self.owner)?,
            request: UploadRequest {
                item_id: ItemId(self.item_id),
                file_name: stored(TABLE, id, self.file_name)?,
                content_type: stored(TABLE, id, self.content_type)?,
                size_bytes: stored(TABLE, id, self.size_bytes)?,
                sha256: stored(TABLE, id, self.sha256)?,
            },
            status: stored(TABLE, id, self.status)?,
            reason: self.reason,
            object_key: self.object_key,
            thumbnail: self
                .thumbnail
                .map(|Json(state)| thumbnail(id, state))
                .transpose()?,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            expires_at: self.expires_at,
            part_size_bytes: self.part_size_bytes,
            multipart_id: self.multipart_id,
        })
    }
}

fn thumbnail(upload: Uuid, state: ThumbnailState) -> Result<Thumbnail, StoreError> {
    Ok(Thumbnail {
        object_key: state.object_key,
        sha256: stored(TABLE, upload, state.sha256)?,
        size_bytes: stored(TABLE, upload, state.size_bytes)?,
        content_type: stored(TABLE, upload, state.content_type)?,
        width: state.width,
        height: state.height,
    })
}

/// What never changes of an upload: enough to take the locks that come before its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belongs {
    pub owner: Owner,
    pub item_id: ItemId,
}

/// Whose an upload is and which item's, read without a lock.
pub async fn belongs(conn: &mut PgConnection, id: UploadId) -> Result<Option<Belongs>, StoreError> {
    let row = sqlx::query!("SELECT owner, item_id FROM command.uploads WHERE id = $1", id.0)
        .fetch_optional(conn)
        .await
        .map_err(StoreError::doing("read whose an upload is"))?;
    let belongs = row.map(|row| {
        Ok(Belongs {
            owner: stored(TABLE, id, row.owner)?,
            item_id: ItemId(row.item_id),
        })
    });
    belongs.transpose()
}

/// An upload, read without a lock.
pub async fn find(conn: &mut PgConnection, id: UploadId) -> Result<Option<Upload>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, item_id, owner, file_name, content_type, size_bytes, sha256, status, reason, object_key,
                  thumbnail AS "thumbnail: _", version, created_at, updated_at, expires_at, part_size_bytes, multipart_id
           FROM command.uploads WHERE id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read an upload"))?
    .map(Row::into_upload)
    .transpose()
}

/// An upload, locked to the end of the transaction.
pub async fn lock(conn: &mut PgConnection, id: UploadId) -> Result<Option<Upload>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, item_id, owner, file_name, content_type, size_bytes, sha256, status, reason, object_key,
                  thumbnail AS "thumbnail: _", version, created_at, updated_at, expires_at, part_size_bytes, multipart_id
           FROM command.uploads WHERE id = $1 FOR UPDATE"#,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("lock an upload"))?
    .map(Row::into_upload)
    .transpose()
}

/// Up to `limit` uploads of an item that are open or stored, after the id `after`, in the order of their ids.
pub async fn open_or_stored_of_item(
    conn: &mut PgConnection,
    item: ItemId,
    after: UploadId,
    limit: i64,
) -> Result<Vec<UploadId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM command.uploads
         WHERE item_id = $1 AND id > $2 AND status IN ('pending', 'received', 'stored')
         ORDER BY id LIMIT $3",
        item.0,
        after.0,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("list the uploads of an item"))?;
    Ok(ids.into_iter().map(UploadId).collect())
}

/// Whether the saga of one of the item's uploads has not ended.
pub async fn unfinished_of_item(
    conn: &mut PgConnection,
    item: ItemId,
    saga: &str,
) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM command.uploads u JOIN command.sagas s ON s.saga = $2 AND s.saga_id = u.id
               WHERE u.item_id = $1 AND s.state IN ('running', 'compensating', 'stuck')) AS "unfinished!""#,
        item.0,
        saga
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("look at the sagas of an item's uploads"))
}

pub async fn insert(conn: &mut PgConnection, upload: &Upload) -> Result<(), StoreError> {
    let request = &upload.request;
    sqlx::query!(
        "INSERT INTO command.uploads (id, item_id, owner, file_name, content_type, size_bytes, sha256, status, reason,
                                      object_key, version, created_at, updated_at, expires_at, part_size_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        upload.id.0,
        request.item_id.0,
        upload.owner.as_str(),
        request.file_name.as_str(),
        request.content_type.as_str(),
        request.size_bytes.get(),
        request.sha256.as_str(),
        upload.status.as_str(),
        upload.reason,
        upload.object_key,
        upload.version,
        upload.created_at,
        upload.updated_at,
        upload.expires_at,
        upload.part_size_bytes,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("insert an upload"))?;
    Ok(())
}

/// Puts on record which multipart upload takes the parts of a pending upload, unless one is on record already. Answers
/// the one that counts; none where the upload is not pending any more, and takes no parts.
pub async fn begin_multipart(
    conn: &mut PgConnection,
    id: UploadId,
    multipart_id: &str,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar!(
        r#"UPDATE command.uploads SET multipart_id = COALESCE(multipart_id, $2)
           WHERE id = $1 AND status = 'pending' AND part_size_bytes IS NOT NULL
           RETURNING multipart_id AS "multipart_id!""#,
        id.0,
        multipart_id
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("put a multipart upload on record"))
}

/// Writes a later version of an upload that this transaction has locked at version `from`.
pub async fn update(conn: &mut PgConnection, upload: &Upload, from: i64) -> Result<(), StoreError> {
    let updated =
        sqlx::query!(
        "UPDATE command.uploads SET status = $2, reason = $3, object_key = $4, version = $5, updated_at = $6,
                                    thumbnail = $8
         WHERE id = $1 AND version = $7",
        upload.id.0,
        upload.status.as_str(),
        upload.reason,
        upload.object_key,
        upload.version,
        upload.updated_at,
        from,
        upload.thumbnail.as_ref().map(|thumbnail| Json(ThumbnailState::from(thumbnail))) as _,
    )
        .execute(conn)
        .await
        .map_err(StoreError::doing("write an upload"))?;
    if updated.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::Unexpected {
        table: TABLE,
        id: upload.id.to_string(),
    })
}
