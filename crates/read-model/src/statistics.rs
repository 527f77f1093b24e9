use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many items carry a tag; deleted items are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TagStatistics {
    pub tag: String,
    pub items: i64,
}

/// What an owner has; deleted items and their files are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnerStatistics {
    pub owner: String,
    pub items: i64,
    /// Files attached to the items.
    pub files: i64,
    /// Their sizes together, each file counted for each item that has it.
    pub file_bytes: i64,
}
