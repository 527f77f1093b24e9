//! What operations answer besides their own.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Documents 429 at every operation that needs a token, which is each that documents 401.
pub fn document_rate_limit(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            if responses.contains_key("401") {
                responses
                    .entry("429".to_owned())
                    .or_insert_with(|| problem("too-many-requests: repeat after `Retry-After`").into());
            }
        }
    }
}

/// Documents what the readers of parameters, headers and bodies answer, at every operation that has some.
pub fn document_input(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let parameters = operation.parameters.iter().flatten();
            let has_key = parameters.clone().any(|parameter| {
                matches!(parameter, RefOr::T(Parameter { name, parameter_in: ParameterIn::Header, .. })
                    if name == "Idempotency-Key")
            });
            let mut answers = Vec::new();
            if parameters.count() > 0 || operation.request_body.is_some() {
                answers.push(("400", "A parameter, a header or the body cannot be read"));
            }
            if has_key {
                answers.push(("409", "request-in-progress: repeat after `Retry-After`"));
                answers.push(("422", "idempotency-key-reused: it belongs to another request"));
            }
            if operation.request_body.is_some() {
                answers.push(("413", "payload-too-large"));
                answers.push(("415", "unsupported-media-type"));
            }
            for (status, description) in answers {
                let responses = &mut operation.responses.responses;
                responses
                    .entry(status.to_owned())
                    .or_insert_with(|| problem(description).into());
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
        &mut item.head,
    ]
    .into_iter()
    .flatten()
}

fn problem(description: &str) -> Response {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", body)
        .build()
}
