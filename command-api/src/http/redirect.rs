use axum::{
    extract::{OriginalUri, State},
    response::Redirect,
};
use depot_service::auth::Principal;

use super::router::QueryAddress;

/// Reads are the query API's: `307` to the same path and query there. What the token allows is decided there; without
/// one there is no answer here either.
pub async fn to_query_api(
    State(query): State<QueryAddress>,
    _: Principal,
    OriginalUri(uri): OriginalUri,
) -> Redirect {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Redirect::temporary(&query.url_of(path))
}
