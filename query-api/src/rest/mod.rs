//! The questions over REST.

mod admin;
mod answer;
mod declared;
mod etag;
mod export;
mod items;
mod openapi;
mod parameters;
mod prefer;
pub mod problem;
mod statistics;
mod stream;
mod uploads;

use std::sync::Arc;

use axum::{Router, extract::FromRef, routing::get};
use depot_domain::DECLARED;
use depot_service::{auth::Door, config::HttpConfig, health, layers, problem::documentation};

pub use export::{ExportLimits, Exports};
pub use openapi::document;

use crate::{
    console::Console,
    pipeline::Pipeline,
    queries::{Queries, Tracer},
};

/// What the handlers are made of.
#[derive(Debug, Clone)]
pub struct RestState {
    pub queries: Arc<Queries>,
    pub door: Arc<Door>,
    pub exports: Exports,
    pub pipeline: Pipeline,
    pub tracer: Tracer,
    pub console: Console,
}

impl FromRef<RestState> for Arc<Queries> {
    fn from_ref(state: &RestState) -> Self {
        Arc::clone(&state.queries)
    }
}

impl FromRef<RestState> for Arc<Door> {
    fn from_ref(state: &RestState) -> Self {
        Arc::clone(&state.door)
    }
}

impl FromRef<RestState> for Exports {
    fn from_ref(state: &RestState) -> Self {
        state.exports.clone()
    }
}

impl FromRef<RestState> for Pipeline {
    fn from_ref(state: &RestState) -> Self {
        state.pipeline.clone()
    }
}

impl FromRef<RestState> for Tracer {
    fn from_ref(state: &RestState) -> Self {
        state.tracer.clone()
    }
}

/// All routes, with what wraps them.
pub fn router(state: RestState, config: &HttpConfig) -> Router {
    let routes = Router::new()
        .route("/api/v1/items", get(items::list))
        .route("/api/v1/items:export", get(export::export))
        .route("/api/v1/items/{id}", get(items::show))
        .route("/api/v1/items/{id}/history", get(items::history))
        .route("/api/v1/uploads/{id}", get(uploads::show))
        .route("/api/v1/uploads/{id}/content", get(uploads::content))
        .route("/api/v1/uploads/{id}/thumbnail", get(uploads::thumbnail))
        .route("/api/v1/stream", get(stream::open))
        .route("/api/v1/statistics", get(statistics::all))
        .route("/api/v1/statistics/tags", get(statistics::tags))
        .route("/api/v1/statistics/owners", get(statistics::owners))
        .merge(declared::routes(DECLARED))
        .merge(admin::routes(Arc::clone(&state.door)))
        .merge(state.console.clone().routes())
        .merge(depot_service::openapi::routes(openapi::SERVED))
        .merge(health::public_routes())
        .merge(documentation(problem::documented()));
    layers::standard_layers(routes, config).with_state(state)
}
