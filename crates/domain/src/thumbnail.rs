use crate::upload_fields::{ContentType, Sha256, SizeBytes};

/// A small picture that was derived from a stored one, and belongs to its upload: stored, counted and removed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// The key in the bucket `files`.
    pub object_key: String,
    pub sha256: Sha256,
    pub size_bytes: SizeBytes,
    pub content_type: ContentType,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}
