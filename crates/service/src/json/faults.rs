//! All faults of shape of a body, not only the first.
//!
//! Deserialization stops at its first fault. To name all, the fault's place is mended in a copy (an unknown or
//! ill-typed member is taken out, a missing one is put in), and the copy is read again, a bounded number of times.

use serde_json::{Map, Value, json};
use serde_path_to_error::{Path, Segment};

use crate::problem::FieldFault;

/// More faults than this in one body are not worth the reading.
const MOST_FAULTS: usize = 32;

/// The first fault of a value that has not the shape of a type, and where it is.
pub type ShapeFault = serde_path_to_error::Error<serde_json::Error>;

/// Every fault of shape in a body that its type refused with `first`; `shape` asks the type.
pub(super) fn collect_faults(
    mut value: Value,
    first: &serde_json::Error,
    shape: &impl Fn(&Value) -> Result<(), ShapeFault>,
) -> Vec<FieldFault> {
    let mut faults: Vec<FieldFault> = Vec::new();
    for _ in 0..MOST_FAULTS {
        let Err(error) = shape(&value) else {
            break;
        };
        let message = without_position(error.inner());
        let (pointer, mended) = mend(&mut value, error.path(), &message, shape);
        // A member that was taken out may be reported as missing afterwards: once is enough.
        if !faults.iter().any(|fault| fault.pointer == pointer) {
            faults.push(FieldFault::new(pointer, describe(&message)));
        }
        if !mended {
            break;
        }
    }
    if faults.is_empty() {
        // Only the text shows it, such as a member given twice.
        faults.push(FieldFault::new("", without_position(first)));
    }
    faults
}

/// Mends the place of a fault. Returns its pointer, and whether reading again can tell more.
fn mend(
    value: &mut Value,
    path: &Path,
    message: &str,
    shape: &impl Fn(&Value) -> Result<(), ShapeFault>,
) -> (String, bool) {
    let mut pointer = json_pointer(path);
    if let Some(name) = backquoted(message).filter(|_| message.starts_with("missing field")) {
        let parent = pointer.clone();
        pointer.push_str(&escape(name));
        let name = name.to_owned();
        let mended = insert_placeholder(value, &parent, &name, shape);
        return (pointer, mended);
    }
    if let Some(name) = backquoted(message).filter(|_| message.starts_with("unknown field")) {
        // The path leads to the member itself or to its parent, depending on where the deserializer noticed it.
        if !pointer.ends_with(&escape(name)) {
            pointer.push_str(&escape(name));
        }
    }
    let mended = remove(value, &pointer);
    (pointer, mended)
}

/// Puts a member in that the type accepts at that place, if one of the plain values is accepted.
fn insert_placeholder(
    value: &mut Value,
    parent: &str,
    name: &str,
    shape: &impl Fn(&Value) -> Result<(), ShapeFault>,
) -> bool {
    let candidates = [
        json!(""),
        json!(1),
        json!([]),
        json!({}),
        json!(false),
        json!("00000000-0000-7000-8000-000000000000"),
        json!("2020-01-01T00:00:00Z"),
    ];
    let wanted = format!("{parent}{}", escape(name));
    for candidate in candidates {
        let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) else {
            return false;
        };
        object.insert(name.to_owned(), candidate);
        match shape(value) {
            Ok(()) => return true,
            Err(error) if !json_pointer(error.path()).starts_with(&wanted) => return true,
            Err(_) => {}
        }
    }
    false
}

fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return false;
    };
    let key = last.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(object)) => Map::remove(object, &key).is_some(),
        Some(Value::Array(array)) => match key.parse::<usize>() {
            // Only the last: taking out another would rename those behind it.
            Ok(index) if index + 1 == array.len() => array.pop().is_some(),
            _ => false,
        },
        _ => false,
    }
}

fn json_pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&escape(key)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn escape(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn backquoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn describe(message: &str) -> String {
    if message.starts_with("missing field") {
        return "is required".to_owned();
    }
    if message.starts_with("unknown field") {
        return "is not a field of this body".to_owned();
    }
    message.to_owned()
}
