use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::field_error::FieldError;

/// The name of an item: 1 to 200 characters, no control character, not blank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemName(String);

impl ItemName {
    pub fn parse(text: String) -> Result<Self, FieldError> {
        let length = text.chars().count();
        if length > 200 {
            return Err(FieldError::new(
                "/name",
                format!("has {length} characters, at most 200 are accepted"),
            ));
        }
        if text.trim().is_empty() {
            return Err(FieldError::new("/name", "is empty: give 1 to 200 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(FieldError::new("/name", "has a control character"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Free text of at most 10,000 characters; may be empty. NUL is refused, since no text column keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Description(String);

impl Description {
    pub fn parse(text: String) -> Result<Self, FieldError> {
        let length = text.chars().count();
        if length > 10_000 {
            return Err(FieldError::new(
                "/description",
                format!("has {length} characters, at most 10000 are accepted"),
            ));
        }
        if text.contains('\0') {
            return Err(FieldError::new("/description", "has a NUL character"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// At most 20 tags of 1 to 50 characters each, without repeats, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Vec<String>);

impl Tags {
    pub fn parse(tags: Vec<String>) -> Result<Self, FieldError> {
        if tags.len() > 20 {
            return Err(FieldError::new(
                "/tags",
                format!("has {} tags, at most 20 are accepted", tags.len()),
            ));
        }
        for (index, tag) in tags.iter().enumerate() {
            let length = tag.chars().count();
            let pointer = || format!("/tags/{index}");
            if length == 0 || length > 50 {
                return Err(FieldError::new(
                    pointer(),
                    format!("has {length} characters, 1 to 50 are accepted"),
                ));
            }
            if tag.chars().any(char::is_control) {
                return Err(FieldError::new(pointer(), "has a control character"));
            }
            if tags[..index].contains(tag) {
                return Err(FieldError::new(pointer(), "repeats an earlier tag"));
            }
        }
        Ok(Self(tags))
    }

    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// A JSON object of at most 16 KiB when written without spaces, nested at most 32 deep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    pub const MAX_BYTES: usize = 16 * 1024;
    const MAX_DEPTH: usize = 32;

    pub fn parse(object: Map<String, Value>) -> Result<Self, FieldError> {
        let value = Value::Object(object);
        let written = value.to_string();
        if written.len() > Self::MAX_BYTES {
            return Err(FieldError::new(
                "/attributes",
                format!(
                    "has {} bytes, at most {} are accepted",
                    written.len(),
                    Self::MAX_BYTES
                ),
            ));
        }
        if depth(&value) > Self::MAX_DEPTH {
            return Err(FieldError::new("/attributes", "is nested more than 32 deep"));
        }
        // Postgres' jsonb refuses U+0000; saying so here keeps it a client's error.
        if written.contains("\\u0000") {
            return Err(FieldError::new("/attributes", "has a NUL character"));
        }
        match value {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(FieldError::new("/attributes", "is no JSON object")),
        }
    }

    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Where an item stands in its life. Any state may follow any other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    #[default]
    Draft,
    Active,
    Archived,
}

impl ItemStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

impl fmt::Display for ItemStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ItemStatus {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        match text {
            "draft" => Ok(Self::Draft),
            "active" => Ok(Self::Active),
            "archived" => Ok(Self::Archived),
            _ => Err(FieldError::new("/status", "is none of draft, active, archived")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_counted_in_characters_not_bytes() {
        assert!(ItemName::parse("ß".repeat(200)).is_ok());
        assert!(ItemName::parse("ß".repeat(201)).is_err());
        assert!(ItemName::parse("  ".into()).is_err());
        assert!(ItemName::parse("a\u{7}".into()).is_err());
    }

    #[test]
    fn a_bad_tag_is_named_by_its_place() {
        let tags = vec!["a".to_owned(), String::new()];
        assert_eq!(Tags::parse(tags).unwrap_err().pointer, "/tags/1");
        let repeated = vec!["a".to_owned(), "a".to_owned()];
        assert_eq!(Tags::parse(repeated).unwrap_err().pointer, "/tags/1");
        assert!(Tags::parse(vec![String::from("x"); 21]).is_err());
    }

    #[test]
    fn attributes_are_bounded_in_bytes_depth_and_characters() {
        let mut big = Map::new();
        big.insert("k".into(), Value::String("x".repeat(Attributes::MAX_BYTES)));
        assert!(Attributes::parse(big).is_err());

        let mut deep = Value::Null;
        for _ in 0..40 {
            deep = Value::Array(vec![deep]);
        }
        let mut nested = Map::new();
        nested.insert("k".into(), deep);
        assert!(Attributes::parse(nested).is_err());

        let mut nul = Map::new();
        nul.insert("k".into(), Value::String("\0".into()));
        assert!(Attributes::parse(nul).is_err());
    }
}
