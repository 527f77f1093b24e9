//! A change of an item as a line for people, and as JSON in the shape of the REST history.

use depot_proto::v1::{File, Item, ItemChange, ItemStatus};
use prost_types::{Struct, Timestamp, Value as ProtoValue, value::Kind};
use serde_json::{Map, Number, Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{item::what, operator::cell};

/// Beyond, not every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// When, what, which item, its version, who, which fields, and its name.
pub fn line(change: &ItemChange) -> String {
    let name = change.item.as_ref().map(|item| item.name.as_str());
    let changed = match change.changed.is_empty() {
        true => "-".to_owned(),
        false => change.changed.join(","),
    };
    // A line is a change, whatever a name holds.
    [
        cell(&time(change.occurred_at)),
        what(&change.event_type),
        change.item_id.clone(),
        format!("v{}", change.version),
        cell(&change.actor.as_str().into()),
        changed,
        cell(&name.unwrap_or_default().into()),
    ]
    .join("  ")
}

/// Versions are tokens here, as `--version` takes them.
pub fn json(change: &ItemChange, resume_token: &str) -> Value {
    json!({
        "resume_token": resume_token,
        "change": {
            "item_id": change.item_id,
            "version": change.version,
            "event_id": change.event_id,
            "event_type": change.event_type,
            "causation_id": change.causation_id,
            "actor": change.actor,
            "changed": change.changed,
            "occurred_at": time(change.occurred_at),
            "is_deleted": change.deleted,
            "item": change.item.as_ref().map(item),
        },
    })
}

fn item(item: &Item) -> Value {
    let status = match item.status() {
        ItemStatus::Draft => "draft",
        ItemStatus::Active => "active",
        ItemStatus::Archived => "archived",
        ItemStatus::Unspecified => "unknown",
    };
    json!({
        "id": item.id,
        "name": item.name,
        "description": item.description,
        "tags": item.tags,
        "attributes": item.attributes.as_ref().map_or_else(|| json!({}), object),
        "status": status,
        "owner": item.owner,
        "version": item.version,
        "created_at": time(item.created_at),
        "updated_at": time(item.updated_at),
        "files": item.files.iter().map(file).collect::<Vec<_>>(),
    })
}

fn file(file: &File) -> Value {
    json!({
        "upload_id": file.upload_id,
        "file_name": file.file_name,
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    })
}

fn object(members: &Struct) -> Value {
    let members = members.fields.iter();
    Value::Object(
        members
            .map(|(name, value)| (name.clone(), any(value)))
            .collect::<Map<_, _>>(),
    )
}

fn any(value: &ProtoValue) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => (*value).into(),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::NumberValue(value)) => number(*value),
        Some(Kind::ListValue(list)) => list.values.iter().map(any).collect(),
        Some(Kind::StructValue(members)) => object(members),
    }
}

/// Numbers come as doubles; a whole one is written as such.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole, and within what is exact")]
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn time(time: Option<Timestamp>) -> Value {
    let Some(Timestamp { seconds, nanos }) = time else {
        return Value::Null;
    };
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let time = time.and_then(|time| time.checked_add(Duration::nanoseconds(i64::from(nanos))));
    time.and_then(|time| time.format(&Rfc3339).ok())
        .map_or(Value::Null, Value::String)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost_types::ListValue;

    use super::*;

    fn changed() -> ItemChange {
        let value = |kind| ProtoValue { kind: Some(kind) };
        let list = ListValue {
            values: vec![
                value(Kind::NumberValue(7.0)),
                value(Kind::NumberValue(0.5)),
                value(Kind::NullValue(0)),
            ],
        };
        let fields = BTreeMap::from([
            ("sizes".to_owned(), value(Kind::ListValue(list))),
            ("sold".to_owned(), value(Kind::BoolValue(true))),
        ]);
        ItemChange {
            item_id: "1".to_owned(),
            version: "497031.2".to_owned(),
            event_type: "depot.item.updated.v1".to_owned(),
            actor: "alice".to_owned(),
            changed: vec!["name".to_owned(), "tags".to_owned()],
            occurred_at: Some(Timestamp {
                seconds: 1_767_225_600,
                nanos: 500_000_000,
            }),
            item: Some(Item {
                name: "a\nb".to_owned(),
                attributes: Some(Struct { fields }),
                status: ItemStatus::Active.into(),
                ..Item::default()
            }),
            ..ItemChange::default()
        }
    }

    #[test]
    fn a_change_is_a_line() {
        let expected = "2026-01-01T00:00:00.5Z  updated  1  v497031.2  alice  name,tags  a b";
        assert_eq!(line(&changed()), expected);
    }

    #[test]
    fn a_change_as_json_has_its_token_and_exact_attributes() {
        let json = json(&changed(), "t");
        assert_eq!(json["resume_token"], "t");
        let change = &json["change"];
        assert_eq!(change["occurred_at"], "2026-01-01T00:00:00.5Z");
        assert_eq!(change["item"]["status"], "active");
        let attributes = serde_json::json!({"sizes": [7, 0.5, null], "sold": true});
        assert_eq!(change["item"]["attributes"], attributes);
        assert_eq!(change["item"]["attributes"]["sizes"][0].to_string(), "7");
    }
}
