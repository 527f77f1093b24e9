use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::dead_letters::Filter;

/// Which dead letters are meant. What is left out restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterFilter {
    /// The group that failed.
    pub group: Option<String>,
    /// The topic that the message was read from first.
    pub topic: Option<String>,
    /// The class of the reason, for example `invalid_data`.
    pub reason: Option<String>,
    /// The message's key, as text.
    pub key: Option<String>,
    /// Last failed at this moment or later.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub failed_from: Option<OffsetDateTime>,
    /// Last failed before this moment.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub failed_before: Option<OffsetDateTime>,
}

impl LetterFilter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The filter as it was meant, for the audit.
    pub fn subject(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<LetterFilter> for Filter {
    fn from(filter: LetterFilter) -> Self {
        Self {
            group: filter.group,
            topic: filter.topic,
            reason: filter.reason,
            key: filter.key.map(String::into_bytes),
            failed_from: filter.failed_from,
            failed_before: filter.failed_before,
            ..Self::default()
        }
    }
}
