//! Declared aggregates: `GET /api/v1/orders/{id}` and `GET /api/v1/orders`, for each that is declared.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{RawQuery, Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use depot_domain::Declaration;
use depot_service::{auth::Principal, params::PathParams, problem::Problem};
use serde_json::{Map, Value, json};

use super::{RestState, answer, parameters::Parameters, prefer::Wanted};
use crate::{
    queries::{Queries, get_declared, list_declared},
    read::declared::DeclaredRow,
    visibility::Versioned as _,
};

/// The routes of these aggregates.
pub fn routes(declarations: &'static [Declaration]) -> Router<RestState> {
    let of_each = declarations.iter().map(|declaration| {
        let all = format!("/api/v1/{}", declaration.plural);
        Router::new()
            .route(&all, get(list))
            .route(&format!("{all}/{{id}}"), get(show))
            .layer(Extension(declaration))
    });
    of_each.fold(Router::new(), Router::merge)
}

async fn show(
    State(queries): State<Arc<Queries>>,
    Extension(of): Extension<&'static Declaration>,
    principal: Principal,
    PathParams(id): PathParams<String>,
    request: Request,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(request.uri().query());
    let min_version = parameters.min_version();
    parameters.finish()?;
    let headers = request.headers();
    let wanted = Wanted::of(min_version, headers);
    let id = answer::parse_id(&id)?;
    let response = match get_declared(&queries, &principal, of, id, wanted.at_least).await {
        Ok(row) => {
            let tag = row.token().view_etag(row.projection);
            answer::tagged(headers, &tag, &row.shown())
        }
        Err(error) => error.into_response(),
    };
    Ok(wanted.applied(response))
}

/// The caller's own, the newest first; the member is the aggregate's plural.
async fn list(
    State(queries): State<Arc<Queries>>,
    Extension(of): Extension<&'static Declaration>,
    principal: Principal,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(query.as_deref());
    let limit = parameters.limit();
    let cursor = parameters.one("cursor", |text| Ok(text.to_owned()));
    parameters.finish()?;
    let page = list_declared(&queries, &principal, of, limit, cursor.as_deref()).await?;
    let rows: Vec<_> = page.rows.iter().map(DeclaredRow::shown).collect();
    let members: Map<String, Value> = [
        (of.plural.to_owned(), json!(rows)),
        ("next_cursor".to_owned(), json!(page.next_cursor)),
    ]
    .into_iter()
    .collect();
    let path = format!("/api/v1/{}", of.plural);
    Ok(answer::page(
        &path,
        query.as_deref(),
        page.next_cursor.as_deref(),
        members,
    ))
}
