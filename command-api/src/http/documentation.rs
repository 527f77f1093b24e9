use axum::{Json, Router, routing::get};

use super::{openapi, problems, router::ApiState};

/// What describes this API; needs no token.
pub fn routes() -> Router<ApiState> {
    let document = openapi::document();
    Router::new()
        .route(
            "/api/v1/openapi.json",
            get(move || std::future::ready(Json(document.clone()))),
        )
        .merge(depot_service::problem::documentation(problems::ALL))
}
