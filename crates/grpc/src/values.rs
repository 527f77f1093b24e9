//! Times and JSON as the well-known types.

use prost_types::{ListValue, Struct, Timestamp, Value, value::Kind};
use serde_json::{Map, Number, Value as Json};
use time::OffsetDateTime;

/// Whole numbers up to this are told apart by a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value that JSON has no form for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoJson {
    /// Infinite, or no number at all.
    #[error("has a number that JSON cannot write")]
    Number,
    /// None of the kinds was given.
    #[error("has a value of no kind; give null_value where nothing is meant")]
    Kind,
}

/// A time, to the nanosecond.
#[must_use]
pub fn timestamp(time: OffsetDateTime) -> Timestamp {
    // The nanosecond of a second is below 10⁹.
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or(0),
    }
}

/// A JSON object. Its numbers become doubles.
#[must_use]
pub fn object(map: Map<String, Json>) -> Struct {
    Struct {
        fields: map.into_iter().map(|(name, json)| (name, value(json))).collect(),
    }
}

fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(truth) => Kind::BoolValue(truth),
        // `Struct` has doubles only; the contract says so.
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(value).collect(),
        }),
        Json::Object(map) => Kind::StructValue(object(map)),
    };
    Value { kind: Some(kind) }
}

/// The JSON object of a `Struct`. A whole number that a double has exactly is written as one, as it was before it became a
/// double: `1`, not `1.0`.
///
/// # Errors
/// [`NoJson`].
pub fn json_object(object: Struct) -> Result<Map<String, Json>, NoJson> {
    let member = |(name, value)| Ok((name, json(value)?));
    object.fields.into_iter().map(member).collect()
}

fn json(value: Value) -> Result<Json, NoJson> {
    Ok(match value.kind.ok_or(NoJson::Kind)? {
        Kind::NullValue(_) => Json::Null,
        Kind::BoolValue(truth) => Json::Bool(truth),
        Kind::NumberValue(number) => Json::Number(json_number(number)?),
        Kind::StringValue(text) => Json::String(text),
        Kind::ListValue(list) => Json::Array(list.values.into_iter().map(json).collect::<Result<_, _>>()?),
        Kind::StructValue(object) => Json::Object(json_object(object)?),
    })
}

fn json_number(number: f64) -> Result<Number, NoJson> {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        // Whole, and far within the range.
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number).ok_or(NoJson::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(json: Json) -> Map<String, Json> {
        match json {
            Json::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_json_has_comes_back_as_it_was() {
        let there = map(json!({
            "whole": 7, "negative": -3, "broken": 1.5, "most": 9_007_199_254_740_992_i64, "text": "ä", "none": null,
            "yes": true, "list": [1, "two", [null], {}], "object": {"inner": {"depth": 2}}
        }));
        assert_eq!(json_object(object(there.clone())), Ok(there));
    }

    #[test]
    fn what_json_has_not_is_refused() {
        let of = |kind| Struct {
            fields: [("a".to_owned(), Value { kind })].into(),
        };
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(
                json_object(of(Some(Kind::NumberValue(number)))),
                Err(NoJson::Number)
            );
        }
        assert_eq!(json_object(of(None)), Err(NoJson::Kind));
        let nested = ListValue {
            values: vec![Value { kind: None }],
        };
        assert_eq!(json_object(of(Some(Kind::ListValue(nested)))), Err(NoJson::Kind));
    }
}
