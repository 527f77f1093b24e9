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
}
