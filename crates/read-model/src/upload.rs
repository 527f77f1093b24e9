use depot_domain::{UploadStatus, VersionToken};
use depot_schemas::{ThumbnailState, UploadState};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{CacheEntry, stored_time};

/// An upload as it is read: its JSON is the REST representation. Where the file lies in the object store is no part
/// of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadView {
    pub id: Uuid,
    pub item_id: Uuid,
    pub owner: String,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    /// 64 hexadecimal digits, lower case.
    pub sha256: String,
    /// `pending`, `received`, `stored`, `rejected`, `expired`, `aborted` or `removed`.
    pub status: String,
    /// Why it was rejected or aborted.
    pub reason: Option<String>,
    /// 1 at the request, raised by one with each change.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
    /// When the presigned URL ends.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// A stored picture's thumbnail; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<ThumbnailView>,
}

/// A thumbnail as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThumbnailView {
    /// `image/jpeg` or `image/webp`.
    pub content_type: String,
    /// In pixels; the longer side is at most 320.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    pub size_bytes: i64,
}

impl ThumbnailView {
    /// What is shown of an upload's thumbnail; nothing once the upload is not stored any more.
    pub fn of(status: &str, thumbnail: Option<&ThumbnailState>) -> Option<Self> {
        let thumbnail = thumbnail.filter(|_| status == UploadStatus::Stored.as_str())?;
        Some(Self {
            content_type: thumbnail.content_type.clone(),
            width: thumbnail.width,
            height: thumbnail.height,
            size_bytes: thumbnail.size_bytes,
        })
    }
}

impl From<UploadState> for UploadView {
    fn from(upload: UploadState) -> Self {
        Self {
            thumbnail: ThumbnailView::of(&upload.status, upload.thumbnail.as_ref()),
            id: upload.id,
            item_id: upload.item_id,
            owner: upload.owner,
            file_name: upload.file_name,
            content_type: upload.content_type,
            size_bytes: upload.size_bytes,
            sha256: upload.sha256,
            status: upload.status,
            reason: upload.reason,
            version: upload.version,
            created_at: stored_time(upload.created_at),
            updated_at: stored_time(upload.updated_at),
            expires_at: stored_time(upload.expires_at),
        }
    }
}

impl UploadView {
    /// The upload's cache entry.
    ///
    /// # Errors
    /// The upload has no JSON form.
    pub fn cache_entry(&self, epoch: i32) -> Result<CacheEntry, serde_json::Error> {
        CacheEntry::live(VersionToken::new(epoch, self.version), &self.owner, self)
    }
}
