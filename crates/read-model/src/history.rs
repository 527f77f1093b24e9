use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::item::ItemView;

/// One change of an item: who changed what, when, to which version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryEntry {
    pub item_id: Uuid,
    /// The item's version after the change.
    pub version: i64,
    pub event_id: Uuid,
    /// For example `depot.item.created.v1`.
    pub event_type: String,
    /// The id of the command, or of the event taken as one, that caused the change.
    pub causation_id: Uuid,
    /// A token's subject, or the name of a saga.
    pub actor: String,
    /// Names of the fields that changed; empty at creation.
    pub changed: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: OffsetDateTime,
    /// The item after the change.
    pub item: ItemView,
}
