//! Messages as what commands take. All fields that are wrong are named at once.

use std::{fmt::Display, str::FromStr};

use depot_domain::{FieldError, ItemContent, ItemStatus, VersionToken};
use depot_grpc::values::json_object;
use depot_proto::v1;
use depot_service::problem::{FieldFault, Problem};
use prost_types::{FieldMask, Struct};
use serde_json::{Map, Value};

use crate::{
    commands::{ItemPatch, Precondition},
    execution::{error, problems},
};

const EXPECTED_VERSION: &str = "expected_version";
const UPDATE_MASK: &str = "update_mask";

/// Collects what is wrong: by JSON pointer within the item or upload, by name otherwise.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldFault>);

impl Faults {
    /// The value, or a fault with its error.
    pub fn take<T, E: Display>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        let fault = |error: E| self.0.push(FieldFault::new(field, error.to_string()));
        parsed.map_err(fault).ok()
    }

    /// The value, or its faults.
    pub fn all<T>(&mut self, parsed: Result<T, Vec<FieldError>>) -> Option<T> {
        parsed.map_err(|errors| self.0.extend(error::faults(errors))).ok()
    }

    pub fn id<T: FromStr<Err: Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        self.take(field, text.parse())
    }

    /// Which version is meant.
    pub fn expected_version(&mut self, text: &str) -> Option<Precondition> {
        match text {
            "" => Some(Precondition::None),
            "*" => Some(Precondition::Exists),
            text => {
                let token = self.take(EXPECTED_VERSION, text.parse::<VersionToken>())?;
                Some(Precondition::OneOf(vec![token.to_string()]))
            }
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The problem `validation-failed` with everything that was wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                let names: Vec<_> = self.0.iter().map(|fault| fault.pointer.clone()).collect();
                let detail = format!("These fields cannot be used: {}.", names.join(", "));
                Err(Problem::validation_failed(self.0).with_detail(detail))
            }
        }
    }
}

/// # Errors
/// The problem `precondition-required` where no version is named.
pub fn required(precondition: Precondition) -> Result<Precondition, Problem> {
    if precondition != Precondition::None {
        return Ok(precondition);
    }
    let detail = "Set expected_version to the version that you read, or to * for any.";
    Err(Problem::of(&problems::PRECONDITION_REQUIRED)
        .with_detail(detail)
        .with_errors([FieldFault::new(EXPECTED_VERSION, "is not set")]))
}

/// The content of an item; one that is not set has all the defaults, and so no name.
///
/// # Errors
/// Every field that cannot be accepted.
pub fn content(item: Option<v1::ItemContent>) -> Result<ItemContent, Vec<FieldError>> {
    let item = item.unwrap_or_default();
    let (attributes, status) = (attributes(item.attributes), status(item.status));
    let content = ItemContent::parse(
        item.name,
        item.description,
        item.tags,
        attributes.as_ref().cloned().unwrap_or_default(),
        status.as_ref().copied().unwrap_or_default(),
    );
    match (content, attributes, status) {
        (Ok(content), Ok(_), Ok(_)) => Ok(content),
        (content, attributes, status) => {
            let errors = content.err().map(|invalid| invalid.0).unwrap_or_default();
            Err(errors
                .into_iter()
                .chain(attributes.err())
                .chain(status.err())
                .collect())
        }
    }
}

/// The patch that the mask makes of an item: what it names is set to what the item says, and to its default where the item says
/// nothing. Without a mask, what the item says is meant.
///
/// # Errors
/// Every name and every value that cannot be accepted by itself. What the patch makes of an item is checked when it is applied.
pub fn patch(item: Option<v1::ItemContent>, mask: Option<FieldMask>) -> Result<ItemPatch, Vec<FieldError>> {
    let item = item.unwrap_or_default();
    let named = mask.map(|mask| mask.paths).filter(|paths| !paths.is_empty());
    let paths = named.unwrap_or_else(|| set_in(&item));
    let (mut patch, mut errors) = (ItemPatch::default(), Vec::new());
    for path in paths {
        match path.as_str() {
            "name" => patch.name = Some(Some(item.name.clone()).filter(|name| !name.is_empty())),
            "description" => patch.description = Some(Some(item.description.clone())),
            "tags" => patch.tags = Some(Some(item.tags.clone())),
            "attributes" => match item.attributes.clone() {
                None => patch.attributes = Some(None),
                given => match attributes(given) {
                    Ok(given) => patch.attributes = Some(Some(given)),
                    Err(error) => errors.push(error),
                },
            },
            "status" => match status(item.status) {
                Ok(status) => patch.status = Some(Some(status)),
                Err(error) => errors.push(error),
            },
            "*" => errors.push(FieldError::new(
                UPDATE_MASK,
                "names all fields by *: UpdateItem replaces an item as a whole",
            )),
            other => {
                let shown: String = other.chars().take(60).collect();
                let detail = format!(
                    "names `{shown}`: give name, description, tags, attributes or status, none deeper"
                );
                errors.push(FieldError::new(UPDATE_MASK, detail));
            }
        }
    }
    if errors.is_empty() { Ok(patch) } else { Err(errors) }
}

/// The fields that are not at their defaults.
fn set_in(item: &v1::ItemContent) -> Vec<String> {
    let set = [
        ("name", !item.name.is_empty()),
        ("description", !item.description.is_empty()),
        ("tags", !item.tags.is_empty()),
        ("attributes", item.attributes.is_some()),
        ("status", item.status != 0),
    ];
    set.into_iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn attributes(given: Option<Struct>) -> Result<Map<String, Value>, FieldError> {
    let object = json_object(given.unwrap_or_default());
    object.map_err(|error| FieldError::new("/attributes", error.to_string()))
}

fn status(number: i32) -> Result<ItemStatus, FieldError> {
    match v1::ItemStatus::try_from(number) {
        Ok(v1::ItemStatus::Unspecified) => Ok(ItemStatus::default()),
        Ok(v1::ItemStatus::Draft) => Ok(ItemStatus::Draft),
        Ok(v1::ItemStatus::Active) => Ok(ItemStatus::Active),
        Ok(v1::ItemStatus::Archived) => Ok(ItemStatus::Archived),
        Err(_) => Err(FieldError::new("/status", "is no status")),
    }
}

#[cfg(test)]
mod tests {
    use depot_grpc::values::object;
    use serde_json::json;

    use super::*;

    fn object_of(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        })
    }

    fn pointers<T: std::fmt::Debug>(read: Result<T, Vec<FieldError>>) -> Vec<String> {
        read.unwrap_err().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn every_field_of_an_item_that_is_wrong_is_named() {
        let item = v1::ItemContent {
            name: String::new(),
            tags: vec!["ok".into(), String::new()],
            status: 77,
            attributes: Some(Struct {
                fields: [("a".to_owned(), prost_types::Value { kind: None })].into(),
            }),
            ..v1::ItemContent::default()
        };
        let mut found = pointers(content(Some(item)));
        found.sort();
        assert_eq!(found, ["/attributes", "/name", "/status", "/tags/1"]);
        assert_eq!(pointers(content(None)), ["/name"]);
    }

    #[test]
    fn a_mask_says_what_is_patched_and_what_is_not_set_is_removed() {
        let item = v1::ItemContent {
            name: "a".into(),
            description: "b".into(),
            ..v1::ItemContent::default()
        };
        let read = patch(
            Some(item.clone()),
            mask(&["name", "tags", "attributes", "status"]),
        )
        .unwrap();
        let expected = ItemPatch {
            name: Some(Some("a".into())),
            description: None,
            tags: Some(Some(Vec::new())),
            attributes: Some(None),
            status: Some(Some(ItemStatus::Draft)),
        };
        assert_eq!(read, expected);
        let unnamed = patch(None, mask(&["name"])).unwrap();
        assert_eq!(unnamed.name, Some(None));
    }

    #[test]
    fn without_a_mask_what_is_set_is_meant() {
        let item = v1::ItemContent {
            description: "b".into(),
            attributes: Some(object(object_of(json!({"a": null})))),
            ..v1::ItemContent::default()
        };
        let expected = ItemPatch {
            description: Some(Some("b".into())),
            attributes: Some(Some(object_of(json!({"a": null})))),
            ..ItemPatch::default()
        };
        for none in [None, mask(&[])] {
            assert_eq!(patch(Some(item.clone()), none).unwrap(), expected);
        }
        assert_eq!(patch(None, None).unwrap(), ItemPatch::default());
    }

    #[test]
    fn a_mask_names_fields_of_the_item_and_nothing_else() {
        for path in ["*", "id", "attributes.a", "files", "Name", ""] {
            assert_eq!(pointers(patch(None, mask(&[path]))), ["update_mask"], "{path}");
        }
    }

    #[test]
    fn an_expected_version_is_a_token_or_any() {
        let mut faults = Faults::default();
        let mut read = |text| faults.expected_version(text);
        assert_eq!(read(""), Some(Precondition::None));
        assert_eq!(read("*"), Some(Precondition::Exists));
        assert_eq!(read("1.7"), Some(Precondition::OneOf(vec!["1.7".into()])));
        for text in ["\"7\"", "seven", "-1", "7-p2", " 7"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(faults.0.len(), 5);
        assert!(required(Precondition::None).is_err() && required(Precondition::Exists).is_ok());
    }
}
