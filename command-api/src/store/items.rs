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

/// Those of the items that are there and that nobody else has locked, locked to the end of the transaction in the order of
/// their ids. It waits for none.
pub async fn lock_free(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, owner, name, description, tags, attributes, status, files AS "files: Json<Vec<AttachedFile>>",
                  version, created_at, updated_at, deleted
           FROM command.items WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED"#,
        ids
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("lock items"))?;
    rows.into_iter().map(Row::into_item).collect()
}

/// Items after `after`, deleted or not, locked to the end of the transaction in the order of their ids. It waits for each.
pub async fn lock_page(conn: &mut PgConnection, after: Uuid, limit: i64) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, owner, name, description, tags, attributes, status, files AS "files: Json<Vec<AttachedFile>>",
                  version, created_at, updated_at, deleted
           FROM command.items WHERE id > $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE"#,
        after,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("lock a page of items"))?;
    rows.into_iter().map(Row::into_item).collect()
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

/// As [`insert`], for several items.
pub async fn insert_all(conn: &mut PgConnection, items: &[&Item]) -> Result<(), StoreError> {
    let columns = Columns::of(items);
    sqlx::query!(
        "INSERT INTO command.items (id, owner, name, description, tags, attributes, status, files, version, created_at,
                                    updated_at, deleted)
         SELECT id, owner, name, description, ($4::text[])[first_tag:last_tag], attributes, status, files, version,
                created_at, updated_at, deleted
         FROM unnest($1::uuid[], $2::text[], $3::text[], $5::integer[], $6::integer[], $7::text[], $8::jsonb[],
                     $9::text[], $10::jsonb[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::boolean[])
              AS given (id, name, description, first_tag, last_tag, owner, attributes, status, files, version,
                        created_at, updated_at, deleted)",
        &columns.ids,
        &columns.names as _,
        &columns.descriptions as _,
        &columns.tags as _,
        &columns.first_tags,
        &columns.last_tags,
        &columns.owners as _,
        &columns.attributes,
        &columns.statuses as _,
        &columns.files as _,
        &columns.versions,
        &columns.created_at,
        &columns.updated_at,
        &columns.deleted,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("insert items"))?;
    Ok(())
}

/// As [`update`], for several items.
pub async fn update_all(conn: &mut PgConnection, items: &[&Item]) -> Result<(), StoreError> {
    let columns = Columns::of(items);
    let updated = sqlx::query!(
        "UPDATE command.items AS item
         SET name = given.name, description = given.description, tags = ($4::text[])[first_tag:last_tag],
             attributes = given.attributes, status = given.status, files = given.files, version = given.version,
             updated_at = given.updated_at, deleted = given.deleted
         FROM unnest($1::uuid[], $2::text[], $3::text[], $5::integer[], $6::integer[], $7::jsonb[], $8::text[],
                     $9::jsonb[], $10::bigint[], $11::timestamptz[], $12::boolean[])
              AS given (id, name, description, first_tag, last_tag, attributes, status, files, version, updated_at,
                        deleted)
         WHERE item.id = given.id AND item.version = given.version - 1",
        &columns.ids,
        &columns.names as _,
        &columns.descriptions as _,
        &columns.tags as _,
        &columns.first_tags,
        &columns.last_tags,
        &columns.attributes,
        &columns.statuses as _,
        &columns.files as _,
        &columns.versions,
        &columns.updated_at,
        &columns.deleted,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("write items"))?;
    if updated.rows_affected() == items.len() as u64 {
        return Ok(());
    }
    Err(StoreError::Unexpected {
        table: TABLE,
        id: format!("of {} that are locked", items.len()),
    })
}

/// Items as arrays. The tags of all are one array, since arrays of arrays are not ragged: each item has a part of it.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    owners: Vec<&'a str>,
    names: Vec<&'a str>,
    descriptions: Vec<&'a str>,
    tags: Vec<&'a str>,
    /// Where an item's tags begin, from 1, and where they end; before their beginning where there are none.
    first_tags: Vec<i32>,
    last_tags: Vec<i32>,
    attributes: Vec<Value>,
    statuses: Vec<&'static str>,
    files: Vec<Json<Vec<AttachedFile>>>,
    versions: Vec<i64>,
    created_at: Vec<OffsetDateTime>,
    updated_at: Vec<OffsetDateTime>,
    deleted: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(items: &[&'a Item]) -> Self {
        let mut columns = Self::default();
        for item in items {
            columns.push(item);
        }
        columns
    }

    fn push(&mut self, item: &'a Item) {
        let content = &item.content;
        self.ids.push(item.id.0);
        self.owners.push(item.owner.as_str());
        self.names.push(content.name.as_str());
        self.descriptions.push(content.description.as_str());
        // At most 20 tags an item, and a group is small.
        self.first_tags.push(self.tags.len() as i32 + 1);
        self.tags
            .extend(content.tags.as_slice().iter().map(String::as_str));
        self.last_tags.push(self.tags.len() as i32);
        self.attributes.push(attributes(item));
        self.statuses.push(content.status.as_str());
        self.files.push(files(item));
        self.versions.push(item.version);
        self.created_at.push(item.created_at);
        self.updated_at.push(item.updated_at);
        self.deleted.push(item.deleted);
    }
}
