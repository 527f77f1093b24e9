use axum::{
    extract::{OriginalUri, State},
    response::Redirect,
};

use super::router::QueryAddress;

/// Reads are the query API's: `307` to the same path and query there.
pub async fn to_query_api(State(query): State<QueryAddress>, OriginalUri(uri): OriginalUri) -> Redirect {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Redirect::temporary(&query.url_of(path))
}
