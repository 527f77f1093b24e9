use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::chapter::{Chapter, Shared, Words};
use super::{headers, rules};
use crate::problem::{MEDIA_TYPE, ProblemType, types};

/// What a document is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What the handlers say of themselves.
    pub document: Value,
    /// The chapters, each as JSON: see `Words` in `chapter.rs`.
    pub chapters: &'a [&'a str],
    /// The types of problems besides the general ones.
    pub problems: &'a [ProblemType],
    /// Those of them that any operation may tell that needs a token.
    pub everywhere: &'a [&'a ProblemType],
}

/// Chapters and handlers do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A chapter is no JSON of that shape.
    #[error("a chapter cannot be read")]
    Chapter(#[from] serde_json::Error),
    /// A chapter is about an operation that no handler has.
    #[error("{0} is described, and no handler has it")]
    NoOperation(String),
    /// An operation is in no chapter.
    #[error("{0} is described by no chapter")]
    Undescribed(String),
    /// A chapter names something that is not there.
    #[error("{operation}: there is no {what}")]
    Unknown {
        /// `METHOD path`.
        operation: String,
        /// A type of problem, a header, an answer or a body.
        what: String,
    },
}

/// A document with everything that is said of its operations. Its members are in the order of their names.
///
/// # Errors
/// [`DocumentError`].
pub fn complete(parts: Parts<'_>) -> Result<Value, DocumentError> {
    let mut document = parts.document;
    let shared: Shared = serde_json::from_str(include_str!("shared.json"))?;
    for (path, item) in shared.paths {
        document["paths"][path] = item;
    }
    for (name, schema) in shared.schemas {
        document["components"]["schemas"][name] = schema;
    }
    let mut chapter = shared.chapter;
    for text in parts.chapters {
        chapter.extend(serde_json::from_str::<Chapter>(text)?);
    }
    let kinds: BTreeMap<_, _> = types::GENERAL
        .iter()
        .chain(parts.problems)
        .map(|kind| (kind.name, kind))
        .collect();
    let known_headers = headers::components();
    let completion = Completion {
        kinds: &kinds,
        headers: &known_headers,
        everywhere: parts.everywhere,
    };
    completion.operations(&mut document, chapter)?;
    document["components"]["examples"] = kinds
        .values()
        .map(|kind| (kind.name.to_owned(), example(kind)))
        .collect();
    document["components"]["headers"] = Value::Object(known_headers);
    document["components"]["parameters"] = headers::parameters();
    Ok(document)
}

/// An occurrence of a type of problem.
fn example(kind: &ProblemType) -> Value {
    json!({
        "summary": kind.title,
        "description": kind.description,
        "value": {
            "type": kind.uri(),
            "title": kind.title,
            "status": kind.status,
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
        },
    })
}

struct Completion<'a> {
    kinds: &'a BTreeMap<&'static str, &'a ProblemType>,
    headers: &'a Map<String, Value>,
    everywhere: &'a [&'a ProblemType],
}

impl Completion<'_> {
    fn operations(&self, document: &mut Value, mut chapter: Chapter) -> Result<(), DocumentError> {
        let security = document["security"].clone();
        for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                let name = format!("{} {path}", method.to_uppercase());
                let words = chapter.remove(&name);
                let words = words.ok_or_else(|| DocumentError::Undescribed(name.clone()))?;
                let needs_token = needs_token(operation.get("security").unwrap_or(&security));
                let shape = rules::Shape::of(operation, method, needs_token);
                let described = self.operation(operation, shape, needs_token, words);
                described.map_err(|what| DocumentError::Unknown {
                    operation: name,
                    what,
                })?;
            }
        }
        match chapter.into_keys().next() {
            Some(name) => Err(DocumentError::NoOperation(name)),
            None => Ok(()),
        }
    }

    /// # Errors
    /// What is not there.
    fn operation(
        &self,
        operation: &mut Value,
        shape: rules::Shape,
        needs_token: bool,
        words: Words,
    ) -> Result<(), String> {
        operation["operationId"] = json!(words.id);
        for name in ["X-Request-Id", "traceparent"] {
            push(
                &mut operation["parameters"],
                json!({"$ref": format!("#/components/parameters/{name}")}),
            );
        }
        if !words.request.is_empty() {
            let contents = operation["requestBody"]["content"].as_object_mut();
            for content in contents.ok_or("request body")?.values_mut() {
                content["examples"] = examples(&words.request);
            }
        }
        for (status, answer) in words.answers {
            let response = operation["responses"]
                .get_mut(&status)
                .ok_or_else(|| format!("answer {status}"))?;
            for name in &answer.headers {
                self.add_header(response, name)?;
            }
            if !answer.examples.is_empty() {
                let contents = response["content"].as_object_mut();
                for content in contents.ok_or_else(|| format!("body of {status}"))?.values_mut() {
                    content["examples"] = examples(&answer.examples);
                }
            }
        }
        let mut problems: BTreeSet<&str> = words.problems.iter().map(String::as_str).collect();
        problems.extend(shape.problems());
        if needs_token {
            problems.extend(self.everywhere.iter().map(|kind| kind.name));
        }
        for name in problems {
            let kind = self
                .kinds
                .get(name)
                .ok_or_else(|| format!("type of problem {name}"))?;
            add_problem(&mut operation["responses"], kind);
        }
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            let told = response["content"][MEDIA_TYPE]["examples"].as_object();
            let told: Vec<_> = told.into_iter().flatten().map(|(name, _)| name.clone()).collect();
            for name in shape.headers(status, &told) {
                self.add_header(response, name)?;
            }
        }
        Ok(())
    }

    /// A header that the handler has described keeps its description.
    fn add_header(&self, response: &mut Value, name: &str) -> Result<(), String> {
        if !self.headers.contains_key(name) {
            return Err(format!("header {name}"));
        }
        let mut header = json!({"$ref": format!("#/components/headers/{name}")});
        if let Some(description) = response.pointer(&format!("/headers/{name}/description")) {
            header["description"] = description.clone();
        }
        response["headers"][name] = header;
        Ok(())
    }
}

fn needs_token(security: &Value) -> bool {
    let ways = security.as_array();
    ways.is_some_and(|ways| !ways.is_empty() && !ways.contains(&json!({})))
}

fn push(list: &mut Value, value: Value) {
    match list.as_array_mut() {
        Some(values) => values.push(value),
        None => *list = json!([value]),
    }
}

fn examples(by_what_they_show: &BTreeMap<String, Value>) -> Value {
    let examples = by_what_they_show.iter();
    examples
        .map(|(name, value)| (name.clone(), json!({"value": value})))
        .collect()
}

/// Tells a problem among the answers with its status, of which there may be others.
fn add_problem(responses: &mut Value, kind: &ProblemType) {
    let response = &mut responses[kind.status.to_string()];
    if response["description"].is_null() {
        response["description"] = json!(kind.title);
    }
    let content = &mut response["content"][MEDIA_TYPE];
    content["schema"] = json!({"$ref": "#/components/schemas/Problem"});
    content["examples"][kind.name] = json!({"$ref": format!("#/components/examples/{}", kind.name)});
}
