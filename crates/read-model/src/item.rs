use depot_domain::VersionToken;
use depot_schemas::ItemState;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{CacheEntry, stored_time};

/// An item as it is read: its JSON is the REST representation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// `draft`, `active` or `archived`.
    pub status: String,
    pub owner: String,
    /// 1 at creation, raised by one with each change.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
    /// In the order in which they were attached.
    pub files: Vec<AttachedFile>,
}

/// A file attached to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachedFile {
    pub upload_id: Uuid,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    /// 64 hexadecimal digits, lower case.
    pub sha256: String,
}

impl From<depot_schemas::AttachedFile> for AttachedFile {
    fn from(file: depot_schemas::AttachedFile) -> Self {
        Self {
            upload_id: file.upload_id,
            file_name: file.file_name,
            content_type: file.content_type,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
        }
    }
}

impl From<ItemState> for ItemView {
    fn from(item: ItemState) -> Self {
        Self {
            id: item.id,
            name: item.name,
            description: item.description,
            tags: item.tags,
            attributes: item.attributes,
            status: item.status,
            owner: item.owner,
            version: item.version,
            created_at: stored_time(item.created_at),
            updated_at: stored_time(item.updated_at),
            files: item.files.into_iter().map(AttachedFile::from).collect(),
        }
    }
}

impl ItemView {
    /// The item's cache entry.
    ///
    /// # Errors
    /// The item has no JSON form.
    pub fn cache_entry(&self, epoch: i32, deleted: bool) -> Result<CacheEntry, serde_json::Error> {
        let version = VersionToken::new(epoch, self.version);
        if deleted {
            return Ok(CacheEntry::tombstone(version, &self.owner));
        }
        CacheEntry::live(version, &self.owner, self)
    }
}
