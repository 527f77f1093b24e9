//! `/problems` and `/problems/{name}`: what each `type` means.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Problem, ProblemType, types};

/// Routes that document the general kinds of problem and those of the service.
///
/// The documents need no token: a client that was refused must be able to read why.
pub fn documentation<S>(own: &'static [ProblemType]) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let documents: Arc<BTreeMap<&str, Value>> = Arc::new(
        types::GENERAL
            .iter()
            .chain(own)
            .map(|kind| (kind.name, document(kind)))
            .collect(),
    );
    // Routes are cloned with each connection: what they hold is shared.
    let all = Arc::new(json!({ "problems": documents.values().collect::<Vec<_>>() }));
    Router::new()
        .route(
            "/problems",
            get(move || std::future::ready(Json(Value::clone(&all)))),
        )
        .route(
            "/problems/{name}",
            get(move |Path(name): Path<String>| {
                let found = documents.get(name.as_str()).cloned();
                std::future::ready(
                    found
                        .map(Json)
                        .ok_or_else(|| Problem::not_found("No problem has this name.")),
                )
            }),
        )
}

fn document(kind: &ProblemType) -> Value {
    json!({
        "type": kind.uri(),
        "title": kind.title,
        "status": kind.status,
        "description": kind.description,
    })
}
