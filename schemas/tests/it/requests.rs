//! `docs/api.http` has a request for every operation, and each is one that the OpenAPI documents describe.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{compatibility::operations, openapi::document};

/// A request of the file.
struct Request {
    name: String,
    api: &'static str,
    method: String,
    /// With variables in their braces, and without the query.
    path: String,
    body: String,
}

fn requests() -> Vec<Request> {
    let file = format!("{}/../docs/api.http", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(file).unwrap();
    text.split("\n### ").skip(1).map(read).collect()
}

/// A block: comments, the request's line, headers, and behind an empty line the body. Variables stand behind the body.
fn read(block: &str) -> Request {
    let mut lines = block.lines().skip(1);
    let mut name = "";
    let line = loop {
        let line = lines.next().unwrap_or_else(|| panic!("no request in {block}"));
        match line.strip_prefix('#') {
            Some(comment) => name = comment.trim().strip_prefix("@name ").unwrap_or(name),
            None => break line,
        }
    };
    let (method, url) = line.split_once(' ').unwrap();
    let (api, path) = match url.strip_prefix("{{command}}") {
        Some(path) => ("command-api", path),
        None => ("query-api", url.strip_prefix("{{query}}").unwrap()),
    };
    let body: Vec<_> = lines
        .skip_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with('@'))
        .collect();
    Request {
        name: name.to_owned(),
        api,
        method: method.to_owned(),
        path: path.split('?').next().unwrap().to_owned(),
        body: body.join("\n").trim().to_owned(),
    }
}

/// The operation that a request is of: the one with the most segments that are written out.
fn operation_of(request: &Request, document: &Value) -> Option<String> {
    let fits = |name: &String| {
        let (method, template) = name.split_once(' ').unwrap();
        let (template, path): (Vec<_>, Vec<_>) =
            (template.split('/').collect(), request.path.split('/').collect());
        let same = template
            .iter()
            .zip(&path)
            .all(|(one, other)| one == other || one.starts_with('{'));
        method == request.method && template.len() == path.len() && same
    };
    operations(document)
        .into_keys()
        .filter(fits)
        .min_by_key(|name| name.matches('{').count())
}

#[test]
fn every_operation_has_a_request_and_every_request_an_operation() {
    let requests = requests();
    let mut names = BTreeSet::new();
    for request in &requests {
        assert!(names.insert(&request.name), "{} is there twice", request.name);
    }
    for api in ["command-api", "query-api"] {
        let document = document(api);
        let of_api = requests.iter().filter(|request| request.api == api);
        let mut asked = BTreeSet::new();
        for request in of_api {
            let operation = operation_of(request, &document);
            assert!(
                operation.is_some(),
                "{api} has no {} {}",
                request.method,
                request.path
            );
            asked.extend(operation);
        }
        let all: BTreeSet<_> = operations(&document).into_keys().collect();
        let missing: Vec<_> = all.difference(&asked).collect();
        assert!(missing.is_empty(), "{api}, not in docs/api.http: {missing:?}");
    }
}

#[test]
fn every_body_of_a_request_meets_its_schema() {
    let mut checked = 0;
    for request in requests() {
        let document = document(request.api);
        let name = operation_of(&request, &document).unwrap();
        let operation = operations(&document)[&name];
        let content = operation["requestBody"]["content"]
            .as_object()
            .into_iter()
            .flatten();
        let Some((media_type, content)) = content
            .into_iter()
            .find(|(media_type, _)| media_type.ends_with("json"))
        else {
            continue;
        };
        // Of lines, the schema is a line's.
        let bodies: Vec<&str> = match media_type.ends_with("ndjson") {
            true => request.body.lines().collect(),
            false => vec![&request.body],
        };
        let schema = json!({"allOf": [content["schema"]], "components": document["components"]});
        let validator = jsonschema::validator_for(&schema).unwrap();
        for body in bodies {
            let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}"));
            let fault = validator.validate(&body).err().map(|error| error.to_string());
            assert_eq!(fault, None, "{name}");
        }
        checked += 1;
    }
    assert!(checked >= 9, "only {checked} bodies");
}
