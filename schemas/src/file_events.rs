use depot_domain::{ContentType, FieldError, Sha256, SizeBytes, Thumbnail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The data of every event on the files topic: a fact of the object store, by the uploader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileData {
    pub file: FileState,
}

/// What became of an upload's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileOutcome {
    /// Verified, and lying in the bucket of files under `object_key`.
    Stored,
    /// Not accepted; `reason` says why.
    Rejected,
    /// Nothing lies in the object store for this upload any more, and nothing will.
    Removed,
}

/// The uploader's knowledge of one upload, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileState {
    pub upload_id: Uuid,
    pub item_id: Uuid,
    pub outcome: FileOutcome,
    /// The key in the bucket of files; set when stored.
    pub object_key: Option<String>,
    /// What lay in staging, in bytes; none where nothing lay there.
    pub size_bytes: Option<i64>,
    /// SHA-256 of what lay in staging, 64 hexadecimal digits; none where it was not computed.
    pub sha256: Option<String>,
    /// `content_missing`, `parts_missing`, `size_mismatch`, `checksum_mismatch`, `content_type_mismatch` or `malware`; set
    /// when rejected.
    pub reason: Option<String>,
    /// The rejection in words, for the person who uploaded.
    pub detail: Option<String>,
    /// The file's own version, 1 for the first fact; equal to `ce_aggregateversion`.
    pub version: i64,
    /// The file's thumbnail, where it has one. Set when stored; absent in events that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<ThumbnailState>,
}

/// A small picture that was derived from a stored one. It is an object in the bucket of files, counted like the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThumbnailState {
    /// The key in the bucket of files.
    pub object_key: String,
    /// 64 hexadecimal digits, lower case.
    pub sha256: String,
    pub size_bytes: i64,
    /// `image/jpeg` or `image/webp`.
    pub content_type: String,
    /// In pixels; the longer side is at most 320.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

impl From<&Thumbnail> for ThumbnailState {
    fn from(thumbnail: &Thumbnail) -> Self {
        Self {
            object_key: thumbnail.object_key.clone(),
            sha256: thumbnail.sha256.as_str().to_owned(),
            size_bytes: thumbnail.size_bytes.get(),
            content_type: thumbnail.content_type.as_str().to_owned(),
            width: thumbnail.width,
            height: thumbnail.height,
        }
    }
}

impl TryFrom<ThumbnailState> for Thumbnail {
    type Error = FieldError;

    fn try_from(state: ThumbnailState) -> Result<Self, FieldError> {
        Ok(Self {
            sha256: Sha256::parse(state.sha256)?,
            size_bytes: SizeBytes::parse(state.size_bytes)?,
            content_type: ContentType::parse(state.content_type)?,
            object_key: state.object_key,
            width: state.width,
            height: state.height,
        })
    }
}
