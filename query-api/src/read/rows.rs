//! Rows of the schema `read` as they are selected.

use depot_domain::VersionToken;
use depot_read_model::{AttachedFile, CacheEntry, HistoryEntry, ItemView, ThumbnailView, UploadView};
use depot_schemas::{ItemState, ThumbnailState};
use serde_json::{Map, Value};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of `read.items`; a deleted item's row is its tombstone.
#[derive(Debug, Clone)]
pub struct ItemRow {
    /// The version of the views that it was read from.
    pub projection: i32,
    pub id: Uuid,
    pub owner: String,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub attributes: Json<Map<String, Value>>,
    pub status: String,
    pub files: Json<Vec<AttachedFile>>,
    pub epoch: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub deleted: bool,
}

impl ItemRow {
    pub fn version(&self) -> VersionToken {
        VersionToken::new(self.epoch, self.version)
    }

    /// What is shown of it.
    pub fn into_view(self) -> ItemView {
        ItemView {
            id: self.id,
            name: self.name,
            description: self.description,
            tags: self.tags,
            attributes: self.attributes.0,
            status: self.status,
            owner: self.owner,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            files: self.files.0,
        }
    }

    /// What is cached of it.
    ///
    /// # Errors
    /// It has no JSON form.
    pub fn into_entry(self) -> Result<CacheEntry, serde_json::Error> {
        let (epoch, deleted) = (self.epoch, self.deleted);
        self.into_view().cache_entry(epoch, deleted)
    }
}

/// A row of `read.uploads`.
#[derive(Debug, Clone)]
pub struct UploadRow {
    /// The version of the views that it was read from.
    pub projection: i32,
    pub id: Uuid,
    pub item_id: Uuid,
    pub owner: String,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub status: String,
    pub reason: Option<String>,
    pub object_key: Option<String>,
    pub epoch: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub thumbnail: Option<Json<ThumbnailState>>,
}

impl UploadRow {
    pub fn version(&self) -> VersionToken {
        VersionToken::new(self.epoch, self.version)
    }

    /// What is shown of it.
    pub fn into_view(self) -> UploadView {
        UploadView {
            thumbnail: ThumbnailView::of(&self.status, self.thumbnail.as_deref()),
            id: self.id,
            item_id: self.item_id,
            owner: self.owner,
            file_name: self.file_name,
            content_type: self.content_type,
            size_bytes: self.size_bytes,
            sha256: self.sha256,
            status: self.status,
            reason: self.reason,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            expires_at: self.expires_at,
        }
    }

    /// What is cached of it.
    ///
    /// # Errors
    /// It has no JSON form.
    pub fn into_entry(self) -> Result<CacheEntry, serde_json::Error> {
        let epoch = self.epoch;
        self.into_view().cache_entry(epoch)
    }
}

/// A row of `read.item_history`.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    pub item_id: Uuid,
    pub epoch: i32,
    pub version: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub causation_id: Uuid,
    pub actor: String,
    pub changed: Vec<String>,
    pub item: Json<ItemState>,
    pub occurred_at: OffsetDateTime,
}

impl HistoryRow {
    pub fn version(&self) -> VersionToken {
        VersionToken::new(self.epoch, self.version)
    }

    /// What is shown of it.
    pub fn into_entry(self) -> HistoryEntry {
        HistoryEntry {
            item_id: self.item_id,
            version: self.version,
            event_id: self.event_id,
            event_type: self.event_type,
            causation_id: self.causation_id,
            actor: self.actor,
            changed: self.changed,
            occurred_at: self.occurred_at,
            item: self.item.0.into(),
        }
    }
}

/// Which version of the views serves, and which generation of cache keys is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PointerRow {
    pub projection: i32,
    pub generation: i64,
}

/// A place in a partition of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewPosition {
    pub topic: String,
    pub partition: i32,
    /// Of the first change that is wanted.
    pub next_offset: i64,
}

/// What the views have of a partition of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewExtent {
    pub topic: String,
    pub partition: i32,
    /// The history lacks changes before this offset, since it is not kept for ever; 0 where it has all.
    pub first_offset: i64,
    /// Every change before this offset is in the views, or was.
    pub next_offset: i64,
}

/// One partition of the log in one look: what the views have of it, and a page of the changes in it.
#[derive(Debug, Clone)]
pub struct TailRow {
    pub at: ViewExtent,
    /// A change at or after the offset asked for; none if there is none.
    pub change: Option<(i64, HistoryRow)>,
}
