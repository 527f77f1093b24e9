use depot_domain::{FileRef, Item, ItemContent, ItemId, Owner, UploadId};
use depot_schemas::AttachedFile;
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, stored};

const TABLE: &str = "items";

struct Row {
    id: Uuid,
    owner: String,
    name: String,
    description: String,
    tags: Vec<String>,
    attributes: Value,
    status: String,
    files: Json<Vec<AttachedFile>>,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    deleted: bool,
}

impl Row {
    fn into_item(self) -> Result<Item, StoreError> {
        let id = self.id;
        let content = ItemContent {
            name: stored(TABLE, id, self.name)?,
            description: stored(TABLE, id, self.description)?,
            tags: stored(TABLE, id, self.tags)?,
            attributes: serde_json::from_value(self.attributes).map_err(|source| corrupt(id, source))?,
            status: stored(TABLE, id, self.status)?,
        };
        let files = self.files.0.into_iter().map(|file| file_ref(id, file));
        Ok(Item {
            id: ItemId(id),
            owner: stored(TABLE, id, self.owner)?,
            content,
            files: files.collect::<Result<_, _>>()?,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted: self.deleted,
        })
    }
}

fn file_ref(item: Uuid, file: AttachedFile) -> Result<FileRef, StoreError> {
    Ok(FileRef {
        upload_id: UploadId(file.upload_id),
        file_name: stored(TABLE, item, file.file_name)?,
        content_type: stored(TABLE, item, file.content_type)?,
        size_bytes: stored(TABLE, item, file.size_bytes)?,
        sha256: stored(TABLE, item, file.sha256)?,
    })
}

fn corrupt(id: Uuid, source: serde_json::Error) -> StoreError {
    StoreError::Corrupt {
        table: TABLE,
        id: id.to_string(),
        source: Box::new(source),
    }
}

fn files(item: &Item) -> Json<Vec<AttachedFile>> {
    Json(item.files.iter().map(AttachedFile::from).collect())
}

fn attributes(item: &Item) -> Value {
    Value::Object(item.content.attributes.as_map().clone())
}

/// An item, deleted or not, locked to the end of the transaction.
pub async fn lock(conn: &mut PgConnection, id: ItemId) -> Result<Option<Item>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, owner, name, description, tags, attributes, status, files AS "files: Json<Vec<AttachedFile>>",
                  version, created_at, updated_at, deleted
           FROM command.items WHERE id = $1 FOR UPDATE"#,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("lock an item"))?
    .map(Row::into_item)
    .transpose()
}

/// An item, deleted or not, as it is now.
pub async fn find(conn: &mut PgConnection, id: ItemId) -> Result<Option<Item>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, owner, name, description, tags, attributes, status, files AS "files: Json<Vec<AttachedFile>>",
                  version, created_at, updated_at, deleted
           FROM command.items WHERE id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read an item"))?
    .map(Row::into_item)
    .transpose()
}

/// The owner of an item, which never changes.
pub async fn owner(conn: &mut PgConnection, id: ItemId) -> Result<Option<Owner>, StoreError> {
    sqlx::query_scalar!("SELECT owner FROM command.items WHERE id = $1", id.0)
        .fetch_optional(conn)
        .await
        .map_err(StoreError::doing("read the owner of an item"))?
        .map(|owner| stored(TABLE, id, owner))
        .transpose()
}

pub async fn insert(conn: &mut PgConnection, item: &Item) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO command.items (id, owner, name, description, tags, attributes, status, files, version, created_at,
                                    updated_at, deleted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        item.id.0,
        item.owner.as_str(),
        item.content.name.as_str(),
        item.content.description.as_str(),
        item.content.tags.as_slice(),
        attributes(item),
        item.content.status.as_str(),
        files(item) as _,
        item.version,
        item.created_at,
        item.updated_at,
        item.deleted,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("insert an item"))?;
    Ok(())
}

/// Writes the next version of an item that this transaction has locked.
pub async fn update(conn: &mut PgConnection, item: &Item) -> Result<(), StoreError> {
    let updated = sqlx::query!(
        "UPDATE command.items
         SET name = $2, description = $3, tags = $4, attributes = $5, status = $6, files = $7, version = $8,
             updated_at = $9, deleted = $10
         WHERE id = $1 AND version = $8::bigint - 1",
        item.id.0,
        item.content.name.as_str(),
        item.content.description.as_str(),
        item.content.tags.as_slice(),
        attributes(item),
        item.content.status.as_str(),
        files(item) as _,
        item.version,
        item.updated_at,
        item.deleted,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("write an item"))?;
    if updated.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::Unexpected {
        table: TABLE,
        id: item.id.to_string(),
    })
}
