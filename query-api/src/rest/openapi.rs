//! `GET /api/v1/openapi.json`: the contract, made from the code.

use std::sync::LazyLock;

use axum::Json;
use depot_service::{health::HealthBody, problem::document_rate_limit};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Depot query API", description = "Items, uploads and statistics, read from views built from events."),
    paths(
        super::items::list,
        super::items::show,
        super::items::history,
        super::uploads::show,
        super::uploads::content,
        super::uploads::thumbnail,
        super::statistics::all,
        super::statistics::tags,
        super::statistics::owners,
        health,
    ),
    modifiers(&BearerToken)
)]
struct Contract;

/// The process is up.
#[utoipa::path(
    get,
    path = "/api/v1/health",
    tag = "health",
    responses((status = 200, description = "The process is up, whatever it waits for.", body = HealthBody))
)]
#[expect(
    dead_code,
    reason = "stands for the shared handler, which carries no description of its route"
)]
fn health() {}

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .build(),
        );
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", scheme);
    }
}

/// The OpenAPI 3.1 document.
pub fn document() -> Document {
    let mut document = Contract::openapi();
    document_rate_limit(&mut document);
    document
}

/// Made once, since every request would make it anew.
static DOCUMENT: LazyLock<Document> = LazyLock::new(document);

/// Needs no token.
pub async fn serve() -> Json<&'static Document> {
    Json(&*DOCUMENT)
}
