use serde_json::Value;

use super::Refused;
use crate::FieldError;

/// An event carries the whole state, and has a bound.
const MOST_BYTES: usize = 256 * 1024;

/// The state, if it can be kept.
pub(super) fn storable(state: Value) -> Result<Value, Refused> {
    let mut errors = Vec::new();
    find_nul(&state, String::new(), &mut errors);
    if !state.is_object() {
        errors.push(FieldError::new(
            "",
            "is no object: an aggregate is a struct with named fields",
        ));
    }
    if serde_json::to_vec(&state)?.len() > MOST_BYTES {
        let detail = format!("would have more than {MOST_BYTES} bytes as JSON");
        errors.push(FieldError::new("", detail));
    }
    match errors.is_empty() {
        true => Ok(state),
        false => Err(errors.into()),
    }
}

/// Postgres keeps no text with it.
fn find_nul(value: &Value, pointer: String, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            errors.push(FieldError::new(pointer, "has a NUL character"));
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                find_nul(value, format!("{pointer}/{index}"), errors);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                match name.contains('\0') {
                    true => errors.push(FieldError::new(pointer, "has a NUL character in its name")),
                    false => find_nul(value, pointer, errors),
                }
            }
        }
        _ => {}
    }
}
