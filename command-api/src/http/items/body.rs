use depot_domain::{Attributes, Description, Item, ItemContent, ItemName, ItemStatus, Tags};
use depot_service::{
    json,
    problem::{FieldFault, Problem, types},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    commands::ItemPatch,
    http::{
        error::{faults, value_fault},
        idempotency,
    },
};

/// What a person gives an item.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemContentBody {
    /// Not blank, no control characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    #[serde(default)]
    #[schema(max_length = 10000)]
    pub description: String,
    /// Each 1 to 50 characters, none twice.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub tags: Vec<String>,
    /// At most 16 KiB as JSON, nested at most 32 deep.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// `draft`, `active` or `archived`.
    #[serde(default = "draft")]
    pub status: String,
}

/// One of many items to be created: its content, and its key if it has one of its own.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewItemBody {
    /// As the header `Idempotency-Key`, for this item alone, wherever it stands in a repeat. Visible ASCII characters.
    #[serde(default)]
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
    /// Not blank, no control characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    #[serde(default)]
    #[schema(max_length = 10000)]
    pub description: String,
    /// Each 1 to 50 characters, none twice.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub tags: Vec<String>,
    /// At most 16 KiB as JSON, nested at most 32 deep.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// `draft`, `active` or `archived`.
    #[serde(default = "draft")]
    pub status: String,
}

/// One of many items to be created.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Its own, if it names one.
    pub key: Option<String>,
    pub content: ItemContent,
}

/// A merge patch of an item's content: what is left out stays, `null` gives the default, attributes are merged.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemPatchBody {
    /// Cannot be removed.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 10000)]
    pub description: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    pub tags: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<Option<Map<String, Value>>>,
    /// `draft`, `active` or `archived`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub status: Option<Option<String>>,
}

/// A word that the domain reads: a type of words would take a number there for a fault of syntax.
fn draft() -> String {
    ItemStatus::default().as_str().to_owned()
}

/// Tells `null` from a member that is left out.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// An item as the command left it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ItemBody {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// `draft`, `active` or `archived`.
    pub status: &'static str,
    pub owner: String,
    /// In the order of attaching.
    pub files: Vec<FileBody>,
    pub version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A file attached to an item.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FileBody {
    pub upload_id: Uuid,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    /// 64 hexadecimal digits, lower case.
    pub sha256: String,
}

impl From<&Item> for ItemBody {
    fn from(item: &Item) -> Self {
        let files = item.files.iter().map(|file| FileBody {
            upload_id: file.upload_id.0,
            file_name: file.file_name.as_str().to_owned(),
            content_type: file.content_type.as_str().to_owned(),
            size_bytes: file.size_bytes.get(),
            sha256: file.sha256.as_str().to_owned(),
        });
        Self {
            id: item.id.0,
            name: item.content.name.as_str().to_owned(),
            description: item.content.description.as_str().to_owned(),
            tags: item.content.tags.as_slice().to_vec(),
            attributes: item.content.attributes.as_map().clone(),
            status: item.content.status.as_str(),
            owner: item.owner.as_str().to_owned(),
            files: files.collect(),
            version: item.version,
            created_at: item.created_at,
            updated_at: item.updated_at,
        }
    }
}

/// Reads a whole content.
///
/// # Errors
/// The problem `validation-failed` with every fault of shape and of value.
pub fn content(bytes: &[u8]) -> Result<ItemContent, Problem> {
    let body: ItemContentBody = json::parse(bytes).map_err(|problem| with_faults_of_value(problem, bytes))?;
    checked(body).map_err(Problem::validation_failed)
}

/// Reads one of many items to be created.
///
/// # Errors
/// As of [`content`].
pub fn new_item(bytes: &[u8]) -> Result<NewItem, Problem> {
    let body: NewItemBody = json::parse(bytes).map_err(|problem| with_faults_of_value(problem, bytes))?;
    let key = body.idempotency_key;
    let key_fault = key.as_deref().filter(|key| !idempotency::is_key(key)).map(|_| {
        let detail = "has to be 1 to 255 visible ASCII characters";
        FieldFault::new("/idempotency_key", detail)
    });
    let content = checked(ItemContentBody {
        name: body.name,
        description: body.description,
        tags: body.tags,
        attributes: body.attributes,
        status: body.status,
    });
    match (content, key_fault) {
        (Ok(content), None) => Ok(NewItem { key, content }),
        (content, key_fault) => {
            let found = content.err().unwrap_or_default();
            Err(Problem::validation_failed(found.into_iter().chain(key_fault)))
        }
    }
}

/// The content, or every fault of value.
fn checked(body: ItemContentBody) -> Result<ItemContent, Vec<FieldFault>> {
    let status = body.status.parse();
    let content = ItemContent::parse(
        body.name,
        body.description,
        body.tags,
        body.attributes,
        *status.as_ref().unwrap_or(&ItemStatus::default()),
    );
    match (content, status) {
        (Ok(content), Ok(_)) => Ok(content),
        (content, status) => {
            let errors = content.err().map(|invalid| invalid.0).unwrap_or_default();
            Err(faults(errors.into_iter().chain(status.err())))
        }
    }
}

/// Reads a patch. What it makes of an item is checked when it is applied.
///
/// # Errors
/// The problem `validation-failed` with every fault of shape, and then of value.
pub fn patch(bytes: &[u8]) -> Result<ItemPatch, Problem> {
    let body: ItemPatchBody = json::parse(bytes).map_err(|problem| with_faults_of_value(problem, bytes))?;
    let status = match body.status {
        Some(Some(word)) => {
            let status = word
                .parse()
                .map_err(|error| Problem::validation_failed(faults([error])))?;
            Some(Some(status))
        }
        Some(None) => Some(None),
        None => None,
    };
    Ok(ItemPatch {
        name: body.name,
        description: body.description,
        tags: body.tags,
        attributes: body.attributes,
        status,
    })
}

/// Adds to faults of shape what is wrong with the members that have the right shape.
fn with_faults_of_value(problem: Problem, bytes: &[u8]) -> Problem {
    if !problem.is(&types::VALIDATION_FAILED) {
        return problem;
    }
    let members: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
    let found = [
        value_fault(&members, "name", ItemName::parse),
        value_fault(&members, "description", Description::parse),
        value_fault(&members, "tags", Tags::parse),
        value_fault(&members, "attributes", Attributes::parse),
        value_fault(&members, "status", |word: String| word.parse::<ItemStatus>()),
    ];
    Problem::validation_failed(problem.errors.iter().cloned().chain(found.into_iter().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(problem: Problem) -> Vec<String> {
        problem.errors.iter().map(|fault| fault.pointer.clone()).collect()
    }

    #[test]
    fn faults_of_shape_and_of_value_are_named_at_once() {
        let body = br#"{"name": "", "tags": "x", "colour": 1, "status": "lost", "attributes": []}"#;
        let mut found = pointers(content(body).unwrap_err());
        found.sort();
        assert_eq!(found, ["/attributes", "/colour", "/name", "/status", "/tags"]);
    }

    #[test]
    fn one_of_many_has_the_members_of_one_and_a_key() {
        let read = new_item(br#"{"idempotency_key": "k 1", "name": "a", "tags": ["t"]}"#).unwrap();
        let alone = content(br#"{"name": "a", "tags": ["t"]}"#).unwrap();
        assert_eq!((read.key.as_deref(), read.content), (Some("k 1"), alone));
        assert_eq!(new_item(br#"{"name": "a"}"#).unwrap().key, None);
        let mut found =
            pointers(new_item(br#"{"idempotency_key": "", "name": "", "status": "lost"}"#).unwrap_err());
        found.sort();
        assert_eq!(found, ["/idempotency_key", "/name", "/status"]);
        assert_eq!(
            pointers(new_item(br#"{"name": "a", "colour": 1}"#).unwrap_err()),
            ["/colour"]
        );
    }

    #[test]
    fn a_patch_tells_null_from_absence() {
        let patch = patch(br#"{"name": "x", "tags": null}"#).unwrap();
        assert_eq!(patch.name, Some(Some("x".to_owned())));
        assert_eq!(patch.tags, Some(None));
        assert_eq!(patch.description, None);
    }
}
