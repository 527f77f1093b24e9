//! Bad path and query parameters.

use axum::Router;
use axum::routing::get;
use depot_service::config::HttpConfig;
use depot_service::layers::standard_layers;
use depot_service::params::{PathParams, QueryParams};
use depot_service::problem::types;
use serde::Deserialize;
use uuid::Uuid;

use crate::requests::{body_text, problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: u8,
}

fn router() -> Router {
    let item = get(|PathParams(id): PathParams<Uuid>| async move { id.to_string() });
    let list = get(|QueryParams(page): QueryParams<Page>| async move { page.limit.to_string() });
    standard_layers(
        Router::new().route("/items/{id}", item).route("/items", list),
        &HttpConfig::default(),
    )
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_400() {
    let problem = problem(crate::requests::get(&router(), "/items/seven").await).await;
    assert!(problem.is(&types::INVALID_PARAMETER), "{problem:?}");
    assert!(problem.detail.as_ref().unwrap().contains("UUID"), "{problem:?}");
    assert_eq!(problem.instance.as_deref(), Some("/items/seven"));
}

#[tokio::test]
async fn a_query_parameter_that_cannot_be_read_is_400_and_named() {
    let good = crate::requests::get(&router(), "/items?limit=5").await;
    assert_eq!(body_text(good).await, "5");
    for (query, name) in [
        ("limit=many", "limit"),
        ("limit=300", "limit"),
        ("limit=5&size=1", "size"),
        ("", "limit"),
    ] {
        let problem = problem(crate::requests::get(&router(), &format!("/items?{query}")).await).await;
        assert!(problem.is(&types::INVALID_PARAMETER), "{problem:?}");
        assert_eq!(problem.errors[0].pointer, name, "{problem:?}");
    }
}
