use depot_domain::Upload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::file_events::ThumbnailState;

/// The data of every event on the uploads topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadData {
    /// The upload after the change.
    pub upload: UploadState,
    /// Names of the fields that changed; empty at the request.
    pub changed: Vec<String>,
    /// Who caused the change: a token's subject, or the name of a saga.
    pub actor: String,
}

/// An upload, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadState {
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
    /// The key in the bucket of files, once stored.
    pub object_key: Option<String>,
    /// The aggregate's version; equal to `ce_aggregateversion`.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: OffsetDateTime,
    /// Until when the bytes may be sent.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub expires_at: OffsetDateTime,
    /// The multipart upload in staging that takes the file's parts, once it was begun. Absent where the file is sent
    /// whole, and in events that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<MultipartState>,
    /// The file's thumbnail, once stored with one. Absent in events that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<ThumbnailState>,
}

/// A multipart upload in staging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MultipartState {
    /// The object store's id.
    pub id: String,
    /// The size of every part but the last.
    pub part_size_bytes: i64,
}

impl From<&Upload> for UploadState {
    fn from(upload: &Upload) -> Self {
        let request = &upload.request;
        Self {
            id: upload.id.0,
            item_id: request.item_id.0,
            owner: upload.owner.as_str().to_owned(),
            file_name: request.file_name.as_str().to_owned(),
            content_type: request.content_type.as_str().to_owned(),
            size_bytes: request.size_bytes.get(),
            sha256: request.sha256.as_str().to_owned(),
            status: upload.status.as_str().to_owned(),
            reason: upload.reason.clone(),
            object_key: upload.object_key.clone(),
            version: upload.version,
            created_at: upload.created_at,
            updated_at: upload.updated_at,
            expires_at: upload.expires_at,
            multipart: multipart(upload),
            thumbnail: upload.thumbnail.as_ref().map(ThumbnailState::from),
        }
    }
}

fn multipart(upload: &Upload) -> Option<MultipartState> {
    Some(MultipartState {
        id: upload.multipart_id.clone()?,
        part_size_bytes: upload.part_size_bytes?,
    })
}
