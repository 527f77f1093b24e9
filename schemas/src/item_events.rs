use depot_domain::{FileRef, Item};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

/// The data of every event on the items topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemData {
    /// The item after the change.
    pub item: ItemState,
    /// Names of the fields that changed; empty at creation.
    pub changed: Vec<String>,
    /// Who caused the change: a token's subject, or the name of a saga.
    pub actor: String,
}

/// An item, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemState {
    pub id: Uuid,
    pub owner: String,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub attributes: Map<String, Value>,
    /// `draft`, `active` or `archived`.
    pub status: String,
    /// In the order in which they were attached.
    pub files: Vec<AttachedFile>,
    /// The aggregate's version; equal to `ce_aggregateversion`.
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub updated_at: OffsetDateTime,
    /// True for the last version of a deleted item.
    pub deleted: bool,
}

/// A file attached to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttachedFile {
    pub upload_id: Uuid,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    /// 64 hexadecimal digits, lower case.
    pub sha256: String,
}

impl From<&FileRef> for AttachedFile {
    fn from(file: &FileRef) -> Self {
        Self {
            upload_id: file.upload_id.0,
            file_name: file.file_name.as_str().to_owned(),
            content_type: file.content_type.as_str().to_owned(),
            size_bytes: file.size_bytes.get(),
            sha256: file.sha256.as_str().to_owned(),
        }
    }
}

impl From<&Item> for ItemState {
    fn from(item: &Item) -> Self {
        Self {
            id: item.id.0,
            owner: item.owner.as_str().to_owned(),
            name: item.content.name.as_str().to_owned(),
            description: item.content.description.as_str().to_owned(),
            tags: item.content.tags.as_slice().to_vec(),
            attributes: item.content.attributes.as_map().clone(),
            status: item.content.status.as_str().to_owned(),
            files: item.files.iter().map(AttachedFile::from).collect(),
            version: item.version,
            created_at: item.created_at,
            updated_at: item.updated_at,
            deleted: item.deleted,
        }
    }
}
