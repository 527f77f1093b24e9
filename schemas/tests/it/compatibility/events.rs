use serde_json::{Value, json};

use super::{
    Break, listed,
    schema::{Place, Reader, compare},
};

/// What breaks between two versions of an event's schema, in both directions.
///
/// Backward: what was written by the old one is read by the new one. Forward: what is written by the new one is read by the
/// old one, which passes over members that it does not know.
pub fn breaks(old: &Value, new: &Value) -> Vec<Break> {
    let (old, new) = (Place::whole(old), Place::whole(new));
    let mut breaks = compare(old, new, Reader::Server, "backward");
    breaks.extend(compare(old, new, Reader::Consumer, "forward"));
    breaks
}

fn committed(name: &str) -> Value {
    let path = format!("{}/events/{name}.v1.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A change of one schema as an example of each direction.
fn told(change: impl Fn(&mut Value)) -> Vec<String> {
    let (old, mut new) = (committed("file.stored"), committed("file.stored"));
    change(&mut new);
    let breaks = breaks(&old, &new);
    breaks.iter().map(Break::to_string).collect()
}

#[test]
fn a_break_of_either_direction_is_found_in_the_schema_of_an_event() {
    let state = "/$defs/FileState";
    let new_obligation = told(|schema| {
        let state = schema.pointer_mut(state).unwrap();
        state["properties"]["colour"] = json!({"type": "string"});
        state["required"].as_array_mut().unwrap().push(json!("colour"));
    });
    assert_eq!(new_obligation, ["backward/file/colour: has to be sent now"]);
    let may_be_absent = told(|schema| {
        let required = schema.pointer_mut(state).unwrap()["required"]
            .as_array_mut()
            .unwrap();
        required.retain(|name| name != "version");
    });
    assert_eq!(may_be_absent, ["forward/file/version: may now be absent"]);
    let unknown_word = told(|schema| {
        let words = schema.pointer_mut("/$defs/FileOutcome/oneOf").unwrap();
        words
            .as_array_mut()
            .unwrap()
            .push(json!({"const": "lost", "type": "string"}));
    });
    assert_eq!(
        unknown_word,
        ["forward/file/outcome: may now be \"lost\", which no reader knows"]
    );
}

#[test]
fn an_optional_field_is_no_break_of_an_event() {
    let (old, mut new) = (committed("item.created"), committed("item.created"));
    new["$defs"]["ItemState"]["properties"]["colour"] = json!({"type": ["string", "null"]});
    let found = breaks(&old, &new);
    assert!(found.is_empty(), "{}", listed(&found));
}
