//! The OpenAPI document of this API. `openapi/` has a chapter for each resource; see [`depot_service::openapi`].

use depot_service::{
    health::HealthBody,
    openapi::{DocumentError, Parts, complete},
};
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
        super::stream::open,
        super::export::export,
        super::uploads::show,
        super::uploads::content,
        super::uploads::thumbnail,
        super::statistics::all,
        super::statistics::tags,
        super::statistics::owners,
        super::admin::pipeline,
        super::admin::trace,
        health,
    ),
    components(schemas(super::stream::StreamedChange, super::stream::Goodbye)),
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

/// The document as it is served: what [`document`] was when it was committed, which a test holds to what it is.
pub const SERVED: &[u8] = include_bytes!("../../../schemas/openapi/query-api.json");

const CHAPTERS: &[&str] = &[
    include_str!("openapi/items.json"),
    include_str!("openapi/export.json"),
    include_str!("openapi/uploads.json"),
    include_str!("openapi/statistics.json"),
    include_str!("openapi/stream.json"),
    include_str!("openapi/admin.json"),
];

/// The OpenAPI 3.1 document, made from the handlers and the chapters.
///
/// # Errors
/// They do not fit together.
pub fn document() -> Result<serde_json::Value, DocumentError> {
    complete(Parts {
        document: serde_json::to_value(Contract::openapi())?,
        chapters: CHAPTERS,
        problems: super::problem::ALL,
        everywhere: &[],
    })
}

#[cfg(test)]
mod tests {
    use depot_test_stack::assert_committed;

    #[test]
    fn the_committed_document_is_what_the_code_says() {
        let document = super::document().unwrap();
        let text = serde_json::to_string_pretty(&document).unwrap();
        assert_committed("schemas/openapi/query-api.json", &(text + "\n"));
    }
}
