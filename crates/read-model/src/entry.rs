use std::str;

use bytes::Bytes;
use depot_domain::VersionToken;
use serde::Serialize;

/// The form of the body. An entry of another form counts as absent: while a new version of the services is rolled
/// out, old and new ones only pass the cache by.
const FORMAT: &str = "1";
const LIVE: &str = "live";
const GONE: &str = "gone";

/// A cached view of an item or an upload, or an item's tombstone.
///
/// Its bytes are a line `{epoch} {version} {format} {live|gone} {owner}` and the body: the REST representation, which
/// a reader passes on as it is. The head comes first so that the version can be compared without reading the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    pub version: VersionToken,
    /// For the decision who may read it. Has no control character (a domain rule), so it ends with its line.
    pub owner: String,
    /// JSON; none of a deleted item.
    pub body: Option<Bytes>,
}

/// Bytes that are no entry of this form. Whoever reads them treats the entry as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cache entry of unknown form: read the row instead")]
pub struct InvalidEntry;

impl CacheEntry {
    /// The entry of a view, by its REST representation.
    ///
    /// # Errors
    /// The view has no JSON form.
    pub fn live(
        version: VersionToken,
        owner: impl Into<String>,
        view: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            version,
            owner: owner.into(),
            body: Some(serde_json::to_vec(view)?.into()),
        })
    }

    /// The entry of a deleted item.
    pub fn tombstone(version: VersionToken, owner: impl Into<String>) -> Self {
        Self {
            version,
            owner: owner.into(),
            body: None,
        }
    }

    pub fn is_deleted(&self) -> bool {
        self.body.is_none()
    }

    /// The bytes to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let state = if self.is_deleted() { GONE } else { LIVE };
        let VersionToken { epoch, version } = self.version;
        let mut bytes = format!("{epoch} {version} {FORMAT} {state} {}\n", self.owner).into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Reads stored bytes; the body is not copied.
    ///
    /// # Errors
    /// [`InvalidEntry`] for anything but what [`to_bytes`](Self::to_bytes) of this form gives.
    pub fn parse(mut bytes: Bytes) -> Result<Self, InvalidEntry> {
        let line_end = bytes.iter().position(|byte| *byte == b'\n').ok_or(InvalidEntry)?;
        let head = bytes.split_to(line_end + 1);
        let head = str::from_utf8(head.get(..line_end).unwrap_or_default()).map_err(|_| InvalidEntry)?;
        let mut words = head.splitn(5, ' ');
        let mut next = || words.next().ok_or(InvalidEntry);
        let epoch = next()?.parse().map_err(|_| InvalidEntry)?;
        let version = next()?.parse().map_err(|_| InvalidEntry)?;
        if next()? != FORMAT {
            return Err(InvalidEntry);
        }
        let body = match next()? {
            LIVE if !bytes.is_empty() => Some(bytes),
            GONE => None,
            _ => return Err(InvalidEntry),
        };
        let owner = next()?.to_owned();
        Ok(Self {
            version: VersionToken { epoch, version },
            owner,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let version = VersionToken::new(2, 7);
        let live = CacheEntry::live(version, "alice b", &serde_json::json!({"text": "a\nb"})).unwrap();
        for entry in [live, CacheEntry::tombstone(version, "alice")] {
            assert_eq!(CacheEntry::parse(entry.to_bytes().into()), Ok(entry));
        }
    }

    #[test]
    fn what_is_no_entry_of_this_form_is_refused() {
        for bytes in [
            "",
            "x",
            "0 7 1 live a",
            "0 7 2 live a\n{}",
            "0 7 1 dead a\n{}",
            "0 7 1 live a\n",
            "0 x 1 gone a\n",
        ] {
            assert_eq!(CacheEntry::parse(bytes.into()), Err(InvalidEntry), "{bytes}");
        }
    }
}
