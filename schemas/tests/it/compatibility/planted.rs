//! Each kind of break of a schema, planted: what finds none is not looking.

use serde_json::{Value, json};

use super::{
    Break, listed,
    schema::{Place, Reader, compare},
};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "name": {"type": "string", "maxLength": 200},
            "state": {"$ref": "#/$defs/State"},
            "note": {"type": ["string", "null"]},
            "file": {"anyOf": [{"$ref": "#/$defs/File"}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "required": ["id", "name", "state"],
        "$defs": {
            "State": {"oneOf": [{"type": "string", "const": "open"}, {"type": "string", "const": "closed"}]},
            "File": {"type": "object", "properties": {"size": {"type": "integer"}, "next": {"$ref": "#/$defs/File"}}},
        },
    })
}

type Change = fn(&mut Value);

fn after(change: Change, reader: Reader) -> Vec<Break> {
    let (old, mut new) = (schema(), schema());
    change(&mut new);
    compare(Place::whole(&old), Place::whole(&new), reader, "")
}

fn remove(value: &mut Value, pointer: &str, name: &str) {
    let parent = value.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
    assert!(parent.remove(name).is_some(), "{pointer}/{name} is not there");
}

const SERVER: &[Reader] = &[Reader::Server];
const READERS: &[Reader] = &[Reader::Client, Reader::Consumer];
const CONSUMER: &[Reader] = &[Reader::Consumer];
const ALL: &[Reader] = &[Reader::Server, Reader::Client, Reader::Consumer];
const NONE: &[Reader] = &[];

/// What changes, for whom it breaks, and where that is told.
const CHANGES: [(&str, Change, &[Reader], &str); 19] = [
    ("nothing", |_| (), NONE, ""),
    (
        "an optional member",
        |s| s["properties"]["more"] = json!({"type": "string"}),
        NONE,
        "",
    ),
    (
        "a required member",
        |s| {
            s["properties"]["more"] = json!({"type": "string"});
            s["required"] = json!(["id", "name", "state", "more"]);
        },
        SERVER,
        "/more",
    ),
    (
        "a member that goes",
        |s| remove(s, "/properties", "note"),
        ALL,
        "/note",
    ),
    (
        "a member below a reference that goes",
        |s| remove(s, "/$defs/File/properties", "size"),
        ALL,
        "/file/size",
    ),
    (
        "a member that may be absent",
        |s| s["required"] = json!(["id", "state"]),
        READERS,
        "/name",
    ),
    (
        "a member that has to be sent",
        |s| s["required"] = json!(["id", "name", "state", "note"]),
        SERVER,
        "/note",
    ),
    (
        "a member that may be null",
        |s| s["properties"]["name"]["type"] = json!(["string", "null"]),
        READERS,
        "/name",
    ),
    (
        "a member that may no longer be null",
        |s| s["properties"]["note"]["type"] = json!("string"),
        SERVER,
        "/note",
    ),
    (
        "an object that may no longer be null",
        |s| s["properties"]["file"] = json!({"$ref": "#/$defs/File"}),
        SERVER,
        "/file",
    ),
    (
        "another type",
        |s| s["properties"]["id"] = json!({"type": "integer"}),
        ALL,
        "/id",
    ),
    (
        "another type of what is in a list",
        |s| s["properties"]["tags"]["items"] = json!({"type": "integer"}),
        ALL,
        "/tags/items",
    ),
    (
        "another type of what is in a map",
        |s| s["properties"]["counts"]["additionalProperties"] = json!({"type": "string"}),
        ALL,
        "/counts/*",
    ),
    (
        "another format",
        |s| s["properties"]["id"]["format"] = json!("date-time"),
        ALL,
        "/id",
    ),
    (
        "a word that comes",
        |s| {
            s["$defs"]["State"]["oneOf"]
                .as_array_mut()
                .unwrap()
                .push(json!({"type": "string", "const": "stuck"}))
        },
        CONSUMER,
        "/state",
    ),
    (
        "a word that goes",
        |s| s["$defs"]["State"] = json!({"type": "string", "enum": ["open"]}),
        SERVER,
        "/state",
    ),
    (
        "a list of words where any was taken",
        |s| s["properties"]["name"]["enum"] = json!(["a"]),
        SERVER,
        "/name",
    ),
    (
        "a limit that is narrower",
        |s| s["properties"]["name"]["maxLength"] = json!(100),
        SERVER,
        "/name",
    ),
    (
        "members that are not named",
        |s| s["additionalProperties"] = json!(false),
        SERVER,
        "",
    ),
];

#[test]
fn each_kind_of_break_is_found_for_whom_it_is_one_and_for_nobody_else() {
    for (name, change, breaks_for, at) in CHANGES {
        for &reader in ALL {
            let breaks = after(change, reader);
            if breaks_for.contains(&reader) {
                assert!(
                    breaks.iter().any(|found| found.at == at),
                    "{name} for {reader:?}: {}",
                    listed(&breaks)
                );
            } else {
                assert!(breaks.is_empty(), "{name} for {reader:?}: {}", listed(&breaks));
            }
        }
    }
}

#[test]
fn a_schema_that_is_written_otherwise_is_the_same() {
    let old = schema();
    let mut new = schema();
    new["properties"]["note"] = json!({"oneOf": [{"type": "null"}, {"type": "string"}]});
    new["properties"]["state"] = json!({"type": "string", "enum": ["closed", "open"]});
    new["properties"]["name"] = json!({"allOf": [{"type": "string"}, {"maxLength": 200}]});
    for &reader in ALL {
        let breaks = compare(Place::whole(&old), Place::whole(&new), reader, "");
        assert!(breaks.is_empty(), "{reader:?}: {}", listed(&breaks));
    }
}
