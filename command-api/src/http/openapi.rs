use std::sync::LazyLock;

use axum::Json;
use depot_service::{
    health::HealthBody,
    problem::{FieldFault, Problem, document_input, document_rate_limit},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{accounts, admin, items, uploads};

/// Made once, and held by no route: routes are cloned with each connection.
static DOCUMENT: LazyLock<Document> = LazyLock::new(document);

/// Needs no token.
pub async fn serve() -> Json<&'static Document> {
    Json(&*DOCUMENT)
}

/// The OpenAPI 3.1 document of this API, made from its handlers.
pub fn document() -> Document {
    let mut document = Api::openapi().merge_from(admin::AdminApi::openapi());
    document_rate_limit(&mut document);
    document_input(&mut document);
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Depot command API",
        description = "Commands on items, uploads and storage accounts. What is read is read on the query API; `GET` of \
                       items and uploads is answered with 307 to it. Errors are problem documents (RFC 9457), described \
                       under `/problems`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        items::create, items::replace, items::patch, items::delete,
        uploads::request, uploads::complete, uploads::abort,
        uploads::parts::sign, uploads::parts::arrived, uploads::content::put,
        accounts::read, accounts::set_limit,
        health,
    ),
    components(schemas(
        items::ItemContentBody, items::ItemPatchBody, items::ItemBody, items::FileBody,
        uploads::UploadRequestBody, uploads::RequestedUploadBody, uploads::UploadBody,
        uploads::WholeBody, uploads::InPartsBody, uploads::parts::PartRangeBody,
        uploads::parts::SignedPartsBody, uploads::parts::SignedPartBody, uploads::parts::ArrivedPartsBody,
        uploads::parts::ArrivedPartBody,
        accounts::AccountBody, accounts::LimitBody,
        Problem, FieldFault, HealthBody,
    )),
    tags(
        (name = "items", description = "The catalogue"),
        (name = "uploads", description = "Files on their way to an item"),
        (name = "accounts", description = "Storage quota of owners"),
        (name = "service", description = "This service itself"),
    ),
    security(("bearer" = [])),
    modifiers(&Bearer),
)]
struct Api;

/// Whether the process answers.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "service", security(()),
    responses((status = 200, description = "It does", body = HealthBody)),
)]
#[expect(dead_code, reason = "describes a handler of depot-service")]
fn health() {}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("HS256, or RS256, ES256 and EdDSA by the issuer's keys, with `sub`, `roles`, `iss`, `aud` and `exp`"))
            .build();
        if let Some(components) = openapi.components.as_mut() {
            components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        }
    }
}
