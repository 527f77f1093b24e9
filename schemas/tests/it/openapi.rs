//! The committed OpenAPI documents say of each operation all that a client has to know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use crate::compatibility::operations;

const APIS: [&str; 2] = ["command-api", "query-api"];
/// Of the general types, those that are told where there is no operation, or by the server for what is none of HTTP's use here.
const OF_NO_OPERATION: [&str; 2] = ["method-not-allowed", "not-acceptable"];
const PROBLEM: &str = "application/problem+json";

pub fn document(api: &str) -> Value {
    let file = format!("{}/openapi/{api}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Runs a check on each operation, and fails with all that it found.
fn each_operation(check: impl Fn(&Value, &Value, &mut Vec<String>)) {
    let mut faults = Vec::new();
    for api in APIS {
        let document = document(api);
        let operations = operations(&document);
        assert!(
            operations.len() >= 14,
            "{api} has only {} operations",
            operations.len()
        );
        for (name, operation) in operations {
            let mut found = Vec::new();
            check(&document, operation, &mut found);
            faults.extend(found.into_iter().map(|what| format!("{api}, {name}: {what}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Whether what is sent or answered under that name needs a token.
fn needs_token(document: &Value, operation: &Value) -> bool {
    let security = operation.get("security").unwrap_or(&document["security"]);
    security
        .as_array()
        .is_some_and(|ways| !ways.contains(&json!({})) && !ways.is_empty())
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_summary() {
    for api in APIS {
        let document = document(api);
        let mut names = BTreeMap::new();
        for (operation, value) in operations(&document) {
            let name = value["operationId"].as_str().unwrap().to_owned();
            assert!(
                value["summary"]
                    .as_str()
                    .is_some_and(|summary| !summary.is_empty()),
                "{api}, {operation}"
            );
            assert_eq!(
                names.insert(name.clone(), operation.clone()),
                None,
                "{api}, {operation}: {name} again"
            );
        }
    }
}

#[test]
fn every_body_has_examples_and_they_meet_its_schema() {
    each_operation(|document, operation, faults| {
        let answers = members(&operation["responses"]);
        let answers = answers.map(|(status, answer)| (status.as_str(), answer));
        for (place, body) in answers.chain([("request", &operation["requestBody"])]) {
            for (media_type, content) in members(&body["content"]) {
                let examples: Vec<_> = members(&content["examples"]).collect();
                if examples.is_empty() {
                    faults.push(format!("{place} as {media_type} has no example"));
                }
                let schema = json!({"allOf": [content["schema"]], "components": document["components"]});
                let validator = jsonschema::validator_for(&schema).unwrap();
                for (name, example) in examples {
                    let value = &followed(document, example)["value"];
                    if let Err(error) = validator.validate(value) {
                        faults.push(format!("{place}, example {name}: {error}"));
                    }
                }
            }
        }
    });
}

#[test]
fn every_problem_is_of_its_status_and_no_status_of_an_error_is_without() {
    each_operation(|document, operation, faults| {
        for (status, answer) in members(&operation["responses"]) {
            let told = &answer["content"][PROBLEM]["examples"];
            if status.starts_with(['4', '5']) && members(told).next().is_none() {
                faults.push(format!("{status} without a type of problem"));
            }
            for (name, example) in members(told) {
                let value = &followed(document, example)["value"];
                let (status_of_it, uri) = (status.parse::<u64>().unwrap(), format!("/problems/{name}"));
                if value["status"] != status_of_it || value["type"] != uri.as_str() {
                    faults.push(format!("{status} with {value}"));
                }
            }
        }
    });
}

#[test]
fn every_type_of_problem_is_told_by_an_operation() {
    let (mut told, mut known) = (BTreeSet::new(), BTreeSet::new());
    for api in APIS {
        let document = document(api);
        known.extend(members(&document["components"]["examples"]).map(|(name, _)| name.clone()));
        for operation in operations(&document).values() {
            for (_, answer) in members(&operation["responses"]) {
                told.extend(members(&answer["content"][PROBLEM]["examples"]).map(|(name, _)| name.clone()));
            }
        }
    }
    let untold: Vec<_> = known.difference(&told).collect();
    assert_eq!(untold, OF_NO_OPERATION, "of {} types", known.len());
}

/// What follows from other parts of an operation, said once more: a rule that was taken back fails here.
#[test]
fn every_operation_has_the_answers_and_headers_that_its_shape_asks_for() {
    each_operation(|document, operation, faults| {
        let mut wants = vec![("500", "X-Request-Id"), ("503", "Retry-After")];
        if needs_token(document, operation) {
            wants.extend([("401", "WWW-Authenticate"), ("403", "WWW-Authenticate")]);
            wants.extend(
                [
                    "Retry-After",
                    "RateLimit-Limit",
                    "RateLimit-Remaining",
                    "RateLimit-Reset",
                ]
                .map(|name| ("429", name)),
            );
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.map(|parameter| followed(document, parameter)) {
            match parameter["name"].as_str().unwrap() {
                "Idempotency-Key" => wants.extend([
                    ("409", "Retry-After"),
                    ("409", "Idempotency-Replayed"),
                    ("422", "X-Request-Id"),
                ]),
                "If-Match" => wants.push(("412", "ETag")),
                "If-None-Match" => wants.extend([("304", "ETag"), ("200", "ETag")]),
                "Prefer" => wants.push(("200", "Preference-Applied")),
                "cursor"
                    if parameter["description"]
                        .as_str()
                        .is_some_and(|text| text.contains("`next_cursor`")) =>
                {
                    // The command API's lists tell the next page in the body alone.
                    let has_link = !document["info"]["title"].as_str().unwrap().contains("command");
                    wants.extend(has_link.then_some(("200", "Link")));
                }
                _ => {}
            }
        }
        if operation["responses"]["201"].is_object() {
            wants.extend(["ETag", "Location", "Idempotency-Replayed"].map(|name| ("201", name)));
        }
        for (status, header) in wants {
            if operation["responses"][status]["headers"][header].is_null() {
                faults.push(format!("{status} without {header}"));
            }
        }
    });
}

#[test]
fn every_header_of_an_answer_is_described_once_and_has_an_example() {
    each_operation(|document, operation, faults| {
        for (status, answer) in members(&operation["responses"]) {
            for (name, header) in members(&answer["headers"]) {
                let described = followed(document, header);
                if header["$ref"].is_null()
                    || described["example"].is_null()
                    || described["description"].is_null()
                {
                    faults.push(format!("{status}, {name}: {header}"));
                }
            }
        }
    });
}
