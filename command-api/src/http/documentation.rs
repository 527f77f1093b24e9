use axum::{Router, routing::get};

use super::{openapi, problems, router::ApiState};

/// What describes this API; needs no token.
pub fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi::serve))
        .merge(depot_service::problem::documentation(problems::ALL))
}
