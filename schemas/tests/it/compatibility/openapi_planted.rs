//! Each kind of break of an API, planted.

use serde_json::{Value, json};

use super::{listed, openapi::breaks};

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": {
            "/health": {"get": {"responses": {"200": {"description": "It is"}}, "security": [{}]}},
            "/items": {"post": {
                "parameters": [
                    {"in": "header", "name": "Idempotency-Key", "required": false, "schema": {"type": "string"}},
                    {"$ref": "#/components/parameters/Limit"},
                ],
                "requestBody": {"required": false, "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Item"}},
                    "application/octet-stream": {"schema": {"type": "string"}},
                }},
                "responses": {
                    "201": {
                        "description": "The item",
                        "headers": {"ETag": {"schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
                    },
                    "409": {
                        "description": "Conflict",
                        "content": {"application/problem+json": {"schema": {"type": "object"}, "examples": {
                            "request-in-progress": {"value": {"status": 409}},
                        }}},
                    },
                },
            }},
        },
        "components": {
            "parameters": {
                "Limit": {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 200}},
            },
            "schemas": {"Item": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
                "required": ["name"],
            }},
        },
        "security": [{"bearer": []}],
    })
}

type Change = fn(&mut Value);

const POST: &str = "/paths/~1items/post";
const CREATED: &str = "/paths/~1items/post/responses/201";
const CONFLICT: &str = "/paths/~1items/post/responses/409";

fn at<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Value {
    document.pointer_mut(pointer).unwrap()
}

fn remove(document: &mut Value, pointer: &str, name: &str) {
    assert!(
        at(document, pointer)
            .as_object_mut()
            .unwrap()
            .remove(name)
            .is_some(),
        "{pointer}/{name}"
    );
}

fn push(document: &mut Value, parameter: Value) {
    at(document, POST)["parameters"]
        .as_array_mut()
        .unwrap()
        .push(parameter);
}

/// What is changed, and what is told of it.
const BREAKS: [(&str, Change, &str); 16] = [
    (
        "a path",
        |d| remove(d, "/paths", "/items"),
        "POST /items: was taken away",
    ),
    (
        "a method",
        |d| remove(d, "/paths/~1items", "post"),
        "POST /items: was taken away",
    ),
    (
        "a parameter",
        |d| drop(at(d, POST)["parameters"].as_array_mut().unwrap().pop()),
        "POST /items, query limit: was taken away",
    ),
    (
        "a parameter that has to be sent",
        |d| at(d, POST)["parameters"][0]["required"] = json!(true),
        "POST /items, header idempotency-key: has to be sent now",
    ),
    (
        "another parameter that has to be sent",
        |d| push(d, json!({"in": "query", "name": "dry_run", "required": true})),
        "POST /items, query dry_run: has to be sent now",
    ),
    (
        "a limit of a parameter",
        |d| at(d, "/components/parameters/Limit/schema")["maximum"] = json!(100),
        "POST /items, query limit: has a narrower maximum: 100",
    ),
    (
        "a body that has to be sent",
        |d| at(d, POST)["requestBody"]["required"] = json!(true),
        "POST /items, request: has to be sent now",
    ),
    (
        "a media type of a body",
        |d| {
            let body = at(d, POST)["requestBody"]["content"]["application/json"].take();
            at(d, POST)["requestBody"]["content"] = json!({"application/cbor": body});
        },
        "POST /items, request: is no longer taken as application/json",
    ),
    (
        "a member that has to be sent",
        |d| at(d, "/components/schemas/Item")["required"] = json!(["name", "note"]),
        "POST /items, request/note: has to be sent now",
    ),
    (
        "a member of an answer",
        |d| {
            let answer = at(d, CREATED);
            answer["content"]["application/json"]["schema"] =
                json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        },
        "POST /items, 201/note: was taken away",
    ),
    (
        "another type of a member",
        |d| at(d, "/components/schemas/Item/properties/note")["type"] = json!("integer"),
        "POST /items, 201/note: may now be integer",
    ),
    (
        "a status",
        |d| remove(d, "/paths/~1items/post/responses", "409"),
        "POST /items, 409: is no longer answered",
    ),
    (
        "a header of an answer",
        |d| remove(d, CREATED, "headers"),
        "POST /items, 201, ETag: is no longer answered",
    ),
    (
        "a media type of an answer",
        |d| remove(d, CREATED, "content"),
        "POST /items, 201: is no longer answered as application/json",
    ),
    (
        "a type of problem",
        |d| at(d, CONFLICT)["content"]["application/problem+json"]["examples"] = json!({}),
        "POST /items, 409: the problem request-in-progress is no longer told",
    ),
    (
        "a token that is needed",
        |d| remove(d, "/paths/~1health/get", "security"),
        "GET /health: needs a token now",
    ),
];

#[test]
fn each_kind_of_break_of_an_api_is_found() {
    for (name, change, told) in BREAKS {
        let (old, mut new) = (document(), document());
        change(&mut new);
        let found = breaks(&old, &new);
        assert!(
            found.iter().any(|found| found.to_string() == told),
            "{name}: {}",
            listed(&found)
        );
    }
}

#[test]
fn what_may_come_is_no_break() {
    let (mut old, mut new) = (document(), document());
    let length =
        json!({"in": "header", "name": "Content-Length", "required": true, "schema": {"type": "integer"}});
    push(&mut old, length);
    new["paths"]["/items"]["get"] = json!({"responses": {"200": {"description": "All"}}});
    push(
        &mut new,
        json!({"in": "query", "name": "dry_run", "schema": {"type": "boolean"}}),
    );
    at(&mut new, POST)["responses"]["503"] = json!({"description": "Away"});
    at(&mut new, CREATED)["headers"]["Location"] = json!({"schema": {"type": "string"}});
    at(&mut new, "/components/schemas/Item/properties")["colour"] = json!({"type": "string"});
    at(&mut new, "/components/parameters/Limit/schema")["maximum"] = json!(500);
    at(&mut new, CONFLICT)["content"]["application/problem+json"]["examples"]["busy"] = json!({});
    // That a body is bytes was always so.
    at(&mut new, POST)["requestBody"]["content"]["application/octet-stream"]["schema"]["format"] =
        json!("binary");
    let found = breaks(&old, &new);
    assert!(found.is_empty(), "{}", listed(&found));
}
