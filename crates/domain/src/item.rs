use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    field_error::{Collector, Invalid},
    ids::{ItemId, Owner, UploadId},
    item_fields::{Attributes, Description, ItemName, ItemStatus, Tags},
    upload_fields::{ContentType, FileName, Sha256, SizeBytes},
};

/// What a person gives an item, all of it replaceable.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemContent {
    pub name: ItemName,
    pub description: Description,
    pub tags: Tags,
    pub attributes: Attributes,
    pub status: ItemStatus,
}

impl ItemContent {
    /// Parses every field, and names all that are wrong.
    pub fn parse(
        name: String,
        description: String,
        tags: Vec<String>,
        attributes: Map<String, Value>,
        status: ItemStatus,
    ) -> Result<Self, Invalid> {
        let mut errors = Collector::default();
        let name = errors.take(ItemName::parse(name));
        let description = errors.take(Description::parse(description));
        let tags = errors.take(Tags::parse(tags));
        let attributes = errors.take(Attributes::parse(attributes));
        match (name, description, tags, attributes) {
            (Some(name), Some(description), Some(tags), Some(attributes)) => Ok(Self {
                name,
                description,
                tags,
                attributes,
                status,
            }),
            _ => Err(errors.into_invalid()),
        }
    }

    /// Names of the fields in which `self` and `other` differ, in the order of the API.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut changed = Vec::new();
        let mut note = |name, differs| {
            if differs {
                changed.push(name);
            }
        };
        note("name", self.name != other.name);
        note("description", self.description != other.description);
        note("tags", self.tags != other.tags);
        note("attributes", self.attributes != other.attributes);
        note("status", self.status != other.status);
        changed
    }
}

/// A file that is attached to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    pub upload_id: UploadId,
    pub file_name: FileName,
    pub content_type: ContentType,
    pub size_bytes: SizeBytes,
    pub sha256: Sha256,
}

/// An item as the write side knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub id: ItemId,
    pub owner: Owner,
    pub content: ItemContent,
    /// In the order in which they were attached.
    pub files: Vec<FileRef>,
    /// 1 at creation, raised by one with each change, deletion included.
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub deleted: bool,
}

/// What a command does to an item.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemDecision {
    /// The item in its new version, and the names of the fields that changed.
    Changed(Item, Vec<&'static str>),
    /// The command asks for what is there already: no version, no event.
    Unchanged(Item),
}

/// Why an item does not do what a command asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("item {0} is deleted")]
    Deleted(ItemId),
    #[error(
        "item {item} has {limit} files, no more can be attached: delete the item's uploads that are not needed"
    )]
    TooManyFiles { item: ItemId, limit: usize },
}

impl Item {
    /// An event carries the whole item, so the list of files is bounded.
    pub const MAX_FILES: usize = 100;

    pub fn create(id: ItemId, owner: Owner, content: ItemContent, now: OffsetDateTime) -> Self {
        Self {
            id,
            owner,
            content,
            files: Vec::new(),
            version: 1,
            created_at: now,
            updated_at: now,
            deleted: false,
        }
    }

    /// Replaces the content as a whole; serves PUT and, after the merge, PATCH.
    pub fn replace(self, content: ItemContent, now: OffsetDateTime) -> Result<ItemDecision, ItemError> {
        self.require_alive()?;
        let changed = self.content.differences(&content);
        if changed.is_empty() {
            return Ok(ItemDecision::Unchanged(self));
        }
        Ok(ItemDecision::Changed(Self { content, ..self }.next(now), changed))
    }

    /// Deletes the item; what is left is its tombstone.
    pub fn delete(self, now: OffsetDateTime) -> Result<ItemDecision, ItemError> {
        self.require_alive()?;
        let deleted = Self {
            deleted: true,
            ..self
        };
        Ok(ItemDecision::Changed(deleted.next(now), vec!["deleted"]))
    }

    /// Attaches a stored file; attaching the same upload again changes nothing.
    pub fn attach_file(mut self, file: FileRef, now: OffsetDateTime) -> Result<ItemDecision, ItemError> {
        self.require_alive()?;
        if self.files.iter().any(|f| f.upload_id == file.upload_id) {
            return Ok(ItemDecision::Unchanged(self));
        }
        self.require_room_for_a_file()?;
        self.files.push(file);
        Ok(ItemDecision::Changed(self.next(now), vec!["files"]))
    }

    pub fn require_alive(&self) -> Result<(), ItemError> {
        if self.deleted {
            Err(ItemError::Deleted(self.id))
        } else {
            Ok(())
        }
    }

    pub fn require_room_for_a_file(&self) -> Result<(), ItemError> {
        if self.files.len() < Self::MAX_FILES {
            return Ok(());
        }
        Err(ItemError::TooManyFiles {
            item: self.id,
            limit: Self::MAX_FILES,
        })
    }

    fn next(self, now: OffsetDateTime) -> Self {
        Self {
            version: self.version + 1,
            // A clock that was set back must not make an item older than it was.
            updated_at: now.max(self.updated_at),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(name: &str) -> ItemContent {
        ItemContent::parse(name.into(), String::new(), vec![], Map::new(), ItemStatus::Draft).unwrap()
    }

    fn item() -> Item {
        let owner = Owner::parse("alice").unwrap();
        Item::create(
            ItemId::generate(),
            owner,
            content("a"),
            OffsetDateTime::UNIX_EPOCH,
        )
    }

    fn file() -> FileRef {
        FileRef {
            upload_id: UploadId::generate(),
            file_name: FileName::parse("a.txt".into()).unwrap(),
            content_type: ContentType::parse("text/plain".into()).unwrap(),
            size_bytes: SizeBytes::parse(1).unwrap(),
            sha256: Sha256::from_digest([0; 32]),
        }
    }

    #[test]
    fn all_invalid_fields_are_named_at_once() {
        let bad = ItemContent::parse(
            String::new(),
            "x".repeat(10_001),
            vec![String::new()],
            Map::new(),
            ItemStatus::Draft,
        );
        let pointers: Vec<_> = bad.unwrap_err().0.into_iter().map(|e| e.pointer).collect();
        assert_eq!(pointers, ["/name", "/description", "/tags/0"]);
    }

    #[test]
    fn a_replacement_names_what_changed_and_raises_the_version_by_one() {
        let decision = item().replace(content("b"), OffsetDateTime::UNIX_EPOCH).unwrap();
        let ItemDecision::Changed(item, changed) = decision else {
            panic!("{decision:?}")
        };
        assert_eq!((item.version, changed), (2, vec!["name"]));
    }

    #[test]
    fn a_replacement_by_the_same_content_is_no_change() {
        let decision = item().replace(content("a"), OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(matches!(decision, ItemDecision::Unchanged(item) if item.version == 1));
    }

    #[test]
    fn a_deleted_item_takes_no_command() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let ItemDecision::Changed(gone, _) = item().delete(now).unwrap() else {
            panic!()
        };
        assert_eq!(gone.version, 2);
        assert!(gone.clone().replace(content("b"), now).is_err());
        assert!(gone.clone().attach_file(file(), now).is_err());
        assert!(gone.delete(now).is_err());
    }

    #[test]
    fn a_file_is_attached_once() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let file = file();
        let ItemDecision::Changed(with_file, _) = item().attach_file(file.clone(), now).unwrap() else {
            panic!()
        };
        assert!(
            matches!(with_file.attach_file(file, now), Ok(ItemDecision::Unchanged(i)) if i.files.len() == 1)
        );
    }

    #[test]
    fn a_clock_set_back_does_not_make_an_item_older() {
        let mut item = item();
        item.updated_at = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1);
        let ItemDecision::Changed(item, _) = item.delete(OffsetDateTime::UNIX_EPOCH).unwrap() else {
            panic!()
        };
        assert_eq!(
            item.updated_at,
            OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1)
        );
    }
}
