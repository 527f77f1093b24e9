use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];
/// Limits above which, and below which, a value is refused.
pub const UPPER: [&str; 5] = [
    "maximum",
    "maxLength",
    "maxItems",
    "maxProperties",
    "exclusiveMaximum",
];
pub const LOWER: [&str; 5] = [
    "minimum",
    "minLength",
    "minItems",
    "minProperties",
    "exclusiveMinimum",
];

/// What a JSON Schema says, however it is written: references followed, `allOf` merged, alternatives united.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub types: BTreeSet<String>,
    pub properties: BTreeMap<String, Value>,
    pub required: BTreeSet<String>,
    /// The only values, where they are listed.
    pub words: Option<BTreeSet<String>>,
    pub items: Option<Value>,
    /// What members that are not named have to be; none where all are taken.
    pub additional: Option<Value>,
    pub format: Option<String>,
    pub pattern: Option<String>,
    pub limits: BTreeMap<&'static str, f64>,
}

impl Shape {
    /// What `schema`, a part of `document`, says.
    pub fn of(document: &Value, schema: &Value) -> Self {
        let schema = follow(document, schema);
        let parts = |name: &str| -> Vec<Shape> {
            let parts = schema[name].as_array().into_iter().flatten();
            parts.map(|part| Self::of(document, part)).collect()
        };
        let mut shape = Self::written(schema);
        for part in parts("allOf") {
            shape = shape.and(part);
        }
        for alternatives in [parts("oneOf"), parts("anyOf")] {
            if let Some(either) = alternatives.into_iter().reduce(Self::or) {
                shape = shape.and(either);
            }
        }
        shape
    }

    fn written(schema: &Value) -> Self {
        let text = |name: &str| schema[name].as_str().map(str::to_owned);
        let strings = |name: &str| -> Vec<String> {
            let strings = schema[name].as_array().into_iter().flatten();
            strings
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        };
        let words: Option<BTreeSet<String>> = match (&schema["const"], &schema["enum"]) {
            (Value::Null, Value::Null) => None,
            (Value::Null, words) => Some(
                words
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(Value::to_string)
                    .collect(),
            ),
            (only, _) => Some([only.to_string()].into()),
        };
        let limits = UPPER.into_iter().chain(LOWER);
        Self {
            types: types(text("type").into_iter().chain(strings("type"))),
            properties: members(&schema["properties"]),
            required: strings("required").into_iter().collect(),
            words,
            items: schema.get("items").cloned(),
            additional: schema
                .get("additionalProperties")
                .filter(|more| **more != Value::Bool(true))
                .cloned(),
            format: text("format"),
            pattern: text("pattern"),
            limits: limits
                .filter_map(|name| Some((name, schema[name].as_f64()?)))
                .collect(),
        }
    }

    /// What both say.
    fn and(mut self, other: Self) -> Self {
        self.types = self.types.intersection(&other.types).cloned().collect();
        self.properties.extend(other.properties);
        self.required.extend(other.required);
        self.words = match (self.words, other.words) {
            (Some(ours), Some(theirs)) => Some(ours.intersection(&theirs).cloned().collect()),
            (ours, theirs) => ours.or(theirs),
        };
        self.items = self.items.or(other.items);
        self.additional = self.additional.or(other.additional);
        self.format = self.format.or(other.format);
        self.pattern = self.pattern.or(other.pattern);
        self.limits.extend(other.limits);
        self
    }

    /// What at least one of the two says.
    fn or(mut self, other: Self) -> Self {
        // Null beside something else is the absence of it, and says nothing of members and limits.
        let null = types(["null".to_owned()]);
        let (nothing, something) = match (self.types == null, other.types == null) {
            (true, _) => (self.types, other),
            (_, true) => (other.types, self),
            _ => {
                self.types.extend(other.types);
                self.properties.extend(other.properties);
                self.required = self.required.intersection(&other.required).cloned().collect();
                self.words = self
                    .words
                    .zip(other.words)
                    .map(|(ours, theirs)| ours.union(&theirs).cloned().collect());
                self.items = self.items.or(other.items);
                self.additional = self.additional.and(other.additional);
                self.format = self.format.filter(|format| other.format.as_ref() == Some(format));
                self.pattern = self
                    .pattern
                    .filter(|pattern| other.pattern.as_ref() == Some(pattern));
                self.limits
                    .retain(|name, limit| other.limits.get(name) == Some(&*limit));
                return self;
            }
        };
        let mut either = something;
        either.types.extend(nothing);
        either
    }
}

/// The members of an object; none of anything else.
pub fn members(value: &Value) -> BTreeMap<String, Value> {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// All types where none is named. A number may be whole.
fn types(named: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut types: BTreeSet<String> = named.into_iter().collect();
    if types.is_empty() {
        types.extend(TYPES.map(str::to_owned));
    }
    if types.contains("number") {
        types.insert("integer".to_owned());
    }
    types
}

/// What a reference within the document leads to; anything else as it is.
pub fn follow<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    // A chain of references is short; one that does not end is no schema.
    for _ in 0..16 {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let pointer = reference.strip_prefix('#');
        value = pointer
            .and_then(|pointer| document.pointer(pointer))
            .unwrap_or_else(|| panic!("{reference} leads nowhere"));
    }
    panic!("{value} does not end");
}
