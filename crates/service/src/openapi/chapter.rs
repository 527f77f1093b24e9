use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What is said of the operations of one resource, by `METHOD path`.
pub type Chapter = BTreeMap<String, Words>;

/// What is said of one operation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Its name in code that is made from the document: no other operation has it.
    pub id: String,
    /// Examples of its body, by what they show.
    #[serde(default)]
    pub request: BTreeMap<String, Value>,
    /// By status.
    pub answers: BTreeMap<String, AnswerWords>,
    /// Names of the types of problems that do not follow from its shape.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// What is said of one answer that is no problem.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerWords {
    /// Names of its headers that do not follow from the operation's shape.
    #[serde(default)]
    pub headers: Vec<String>,
    /// By what they show.
    #[serde(default)]
    pub examples: BTreeMap<String, Value>,
}

/// What every API has besides: routes of this crate, which have no attributes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    pub paths: BTreeMap<String, Value>,
    pub schemas: BTreeMap<String, Value>,
    pub chapter: Chapter,
}
