use depot_domain::VersionToken;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What has an entry in the cache, and changes that are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Item,
    Upload,
}

impl EntityKind {
    /// As in keys, in notifications and in `read.pending_cache.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Upload => "upload",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Item, Self::Upload]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// Tells that rows of the views have changed: one message for each batch that changed any. A hint, since Redis loses
/// messages: whoever waits for a change also looks into Postgres now and then.
///
/// As JSON: `{"topic":"depot.items.v1","partition":3,"next_offset":43,"changes":[{"kind":"item","id":"…",
/// "version":"7","offset":42}]}`. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNotice {
    /// The topic of the events that caused the changes.
    pub topic: String,
    /// Their partition.
    pub partition: i32,
    /// Every event of the partition below this offset is in the views.
    pub next_offset: i64,
    /// In the order of the log; of several changes of one aggregate in a batch only the last.
    pub changes: Vec<Change>,
}

/// One changed row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: EntityKind,
    pub id: Uuid,
    /// The version that is now visible, as the text of a [`VersionToken`].
    #[serde(with = "version_text")]
    pub version: VersionToken,
    /// Where the event lies in the partition.
    pub offset: i64,
}

impl ChangeNotice {
    /// The message's bytes.
    ///
    /// # Errors
    /// None that is known: every field has a JSON form.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// The message is none of ours.
    pub fn from_json(message: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(message)
    }
}

mod version_text {
    use std::borrow::Cow;

    use depot_domain::VersionToken;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(version: &VersionToken, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(version)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VersionToken, D::Error> {
        Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_reads_back_as_it_was_written() {
        let notice = ChangeNotice {
            topic: "depot.items.v1".into(),
            partition: 3,
            next_offset: 43,
            changes: vec![Change {
                kind: EntityKind::Item,
                id: Uuid::nil(),
                version: VersionToken::new(1, 7),
                offset: 42,
            }],
        };
        let json = notice.to_json().unwrap();
        assert!(String::from_utf8_lossy(&json).contains(r#""version":"1.7""#));
        assert_eq!(ChangeNotice::from_json(&json).unwrap(), notice);
    }
}
