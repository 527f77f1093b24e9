use axum::Router;

use super::{openapi, problems, router::ApiState};

/// What describes this API; needs no token.
pub fn routes() -> Router<ApiState> {
    depot_service::openapi::routes(openapi::SERVED)
        .merge(depot_service::problem::documentation(problems::documented()))
}
