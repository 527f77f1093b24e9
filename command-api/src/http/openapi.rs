//! The OpenAPI document of this API. `openapi/` has a chapter for each resource; see [`depot_service::openapi`].

use depot_service::{
    health::HealthBody,
    openapi::{DocumentError, Parts, complete},
    problem::{FieldFault, Problem},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{accounts, admin, bulk, items, problems, uploads};

/// The document as it is served: what [`document`] was when it was committed, which a test holds to what it is.
pub const SERVED: &[u8] = include_bytes!("../../../schemas/openapi/command-api.json");

const CHAPTERS: &[&str] = &[
    include_str!("openapi/items.json"),
    include_str!("openapi/bulk.json"),
    include_str!("openapi/uploads.json"),
    include_str!("openapi/accounts.json"),
    include_str!("openapi/admin/dead_letters.json"),
    include_str!("openapi/admin/outbox.json"),
    include_str!("openapi/admin/republish.json"),
    include_str!("openapi/admin/sagas.json"),
    include_str!("openapi/admin/sweep.json"),
    include_str!("openapi/admin/trace.json"),
];

/// The OpenAPI 3.1 document of this API, made from its handlers and the chapters.
///
/// # Errors
/// They do not fit together.
pub fn document() -> Result<serde_json::Value, DocumentError> {
    let api = Api::openapi().merge_from(admin::AdminApi::openapi());
    complete(Parts {
        document: serde_json::to_value(api)?,
        chapters: CHAPTERS,
        problems: problems::ALL,
        everywhere: &[&problems::BUSY],
    })
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
        bulk::batch::post, bulk::import::post,
        uploads::request, uploads::complete, uploads::abort,
        uploads::parts::sign, uploads::parts::arrived, uploads::content::put,
        accounts::read, accounts::set_limit,
        health,
    ),
    components(schemas(
        items::ItemContentBody, items::ItemPatchBody, items::ItemBody, items::FileBody,
        items::NewItemBody, bulk::OutcomeBody,
        bulk::batch::BatchBody, bulk::batch::ResultsBody, bulk::import::ImportLineBody, bulk::import::ImportEndBody,
        uploads::UploadRequestBody, uploads::RequestedUploadBody, uploads::UploadBody,
        uploads::parts::PartRangeBody,
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

#[cfg(test)]
mod tests {
    use depot_test_stack::assert_committed;

    #[test]
    fn the_committed_document_is_what_the_code_says() {
        let document = super::document().unwrap();
        let text = serde_json::to_string_pretty(&document).unwrap();
        assert_committed("schemas/openapi/command-api.json", &(text + "\n"));
    }
}
