use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post, put},
};
use depot_domain::DECLARED;
use depot_schemas::topics::Topics;
use depot_service::auth::Door;
use depot_service::database::Pool;
use tokio_util::sync::CancellationToken;

use super::{
    accounts, admin,
    bulk::{self, Bulk},
    declared, documentation,
    executor::Executor,
    items, redirect, uploads,
};
use crate::{
    announcement::{Announcements, UploadPolicy},
    commands::Writer,
    dead_letters::{LetterLog, retry_sources},
    staging::Staging,
    sweep::Sweeper,
};

/// What handlers take; each takes only what it uses. Cheap to clone, which each route does for each request.
#[derive(Clone)]
pub struct ApiState(Arc<ApiParts>);

/// What [`ApiState`] is made of.
pub struct ApiParts {
    pub door: Arc<Door>,
    pub executor: Executor,
    pub bulk: Bulk,
    pub writer: Writer,
    pub query: QueryAddress,
    pub announcements: Announcements,
    pub accounts: Accounts,
    pub database: Database,
    pub dead_letters: DeadLetterDesk,
    pub sweeps: SweepDesk,
}

impl From<ApiParts> for ApiState {
    fn from(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }
}

macro_rules! taken_by_handlers {
    ($($part:ident: $of:ty),* $(,)?) => {$(
        impl FromRef<ApiState> for $of {
            fn from_ref(state: &ApiState) -> Self {
                state.0.$part.clone()
            }
        }
    )*};
}

taken_by_handlers! {
    door: Arc<Door>,
    executor: Executor,
    bulk: Bulk,
    writer: Writer,
    query: QueryAddress,
    announcements: Announcements,
    accounts: Accounts,
    database: Database,
    dead_letters: DeadLetterDesk,
    sweeps: SweepDesk,
}

impl FromRef<ApiState> for Staging {
    fn from_ref(state: &ApiState) -> Self {
        state.0.announcements.staging.clone()
    }
}

impl FromRef<ApiState> for UploadPolicy {
    fn from_ref(state: &ApiState) -> Self {
        state.0.announcements.policy
    }
}

/// Where the query API is for clients: `http://host:port`, without a slash at the end.
#[derive(Debug, Clone)]
pub struct QueryAddress(pub Arc<str>);

impl QueryAddress {
    /// The absolute URL of a path there.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Where accounts are read.
#[derive(Debug, Clone)]
pub struct Accounts(pub Writer);

/// Where operators look.
#[derive(Debug, Clone)]
pub struct Database(pub Pool);

/// Where dead letters are read, and which can be brought back.
#[derive(Debug, Clone)]
pub struct DeadLetterDesk {
    pub log: LetterLog,
    pub topics: Topics,
}

/// What sweeps when it is asked for, and what ends that, so that the process can end.
#[derive(Debug, Clone)]
pub struct SweepDesk {
    pub sweeper: Sweeper,
    pub stop: CancellationToken,
}

impl DeadLetterDesk {
    /// Each `(group, source topic)` that has a retry topic.
    pub fn sources(&self) -> Vec<(String, String)> {
        let sources = retry_sources(&self.topics).into_iter();
        sources.map(|(source, _)| source).collect()
    }
}

/// All routes but those of the routers below. What is read of items and uploads is read on the query API.
pub fn router(state: ApiState) -> Router {
    let read = || get(redirect::to_query_api);
    Router::new()
        .route("/api/v1/items", read().post(items::create))
        .route("/api/v1/items:export", read())
        .route(
            "/api/v1/items/{id}",
            read()
                .put(items::replace)
                .patch(items::patch)
                .delete(items::delete),
        )
        .route("/api/v1/items/{id}/{*rest}", read())
        .route("/api/v1/uploads", read().post(uploads::request))
        .route("/api/v1/uploads/{id}", read().delete(uploads::abort))
        .route("/api/v1/uploads/{id}/complete", post(uploads::complete))
        .route(
            "/api/v1/uploads/{id}/parts",
            get(uploads::parts::arrived).post(uploads::parts::sign),
        )
        .route("/api/v1/uploads/{id}/{*rest}", read())
        .route("/api/v1/accounts/{owner}", get(accounts::read))
        .route("/api/v1/accounts/{owner}/limit", put(accounts::set_limit))
        .merge(declared::routes(DECLARED))
        .merge(admin::routes(FromRef::from_ref(&state)))
        .merge(documentation::routes())
        .merge(depot_service::health::public_routes())
        .with_state(state)
}

/// The route that takes files: as much at a time and for as long as its handler says.
pub fn streaming_router(state: ApiState) -> Router {
    let content = get(redirect::to_query_api).put(uploads::content::put);
    Router::new()
        .route("/api/v1/uploads/{id}/content", content)
        .with_state(state)
}

/// The route that creates many items by one document, which is larger than others.
pub fn batch_router(state: ApiState) -> Router {
    Router::new()
        .route("/api/v1/items:batch", post(bulk::batch::post))
        .with_state(state)
}

/// The route that creates items for as long as lines come, and answers meanwhile.
pub fn import_router(state: ApiState) -> Router {
    Router::new()
        .route("/api/v1/items:import", post(bulk::import::post))
        .with_state(state)
}

/// The route that sweeps, which takes as long as there is to compare.
pub fn sweep_router(state: ApiState) -> Router {
    admin::sweep_routes(FromRef::from_ref(&state)).with_state(state)
}
