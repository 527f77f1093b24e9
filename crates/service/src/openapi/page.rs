//! `/api/v1/openapi.json`, and `/docs`: the same as a page, by Swagger UI. All of it is in the program.

use std::future::ready;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};

use crate::problem::Problem;

/// Scripts are files of this API, and it alone is asked. Swagger UI draws with pictures that stand in its style sheet, and sets
/// styles of elements.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Asked for again each time: it changes with the program.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The routes; `document` is the API's own. They need no token: who writes a client has none yet.
pub fn routes<S>(document: &'static [u8]) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/v1/openapi.json", get(move || ready(file(JSON, document))))
        .route("/docs", get(page))
        .route("/docs/{file}", get(asset))
}

async fn page() -> Response {
    let mut page = file(HTML, include_bytes!("../../page/index.html"));
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    page
}

async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    match name.as_str() {
        "start.js" => Ok(file(SCRIPT, include_bytes!("../../page/start.js"))),
        "swagger-ui-bundle.js" => Ok(compressed(
            SCRIPT,
            include_bytes!("../../page/swagger-ui-bundle.js.gz"),
        )),
        "swagger-ui.css" => Ok(compressed(STYLE, include_bytes!("../../page/swagger-ui.css.gz"))),
        // What is handed out is handed out with its licence.
        "LICENSE" => Ok(file(TEXT, include_bytes!("../../page/LICENSE"))),
        "NOTICE" => Ok(file(TEXT, include_bytes!("../../page/NOTICE"))),
        "swagger-ui-bundle.js.LICENSE.txt" => Ok(file(
            TEXT,
            include_bytes!("../../page/swagger-ui-bundle.js.LICENSE.txt"),
        )),
        _ => Err(Problem::not_found("The page has no such file.")),
    }
}

fn file(media_type: &'static str, bytes: &'static [u8]) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, REVALIDATED),
    ];
    (headers, bytes).into_response()
}

/// Sent as it lies in the program. Who does not take gzip is no browser, and finds the document as JSON.
fn compressed(media_type: &'static str, bytes: &'static [u8]) -> Response {
    let mut response = file(media_type, bytes);
    response
        .headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str) -> (http::Response<()>, Vec<u8>) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = routes::<()>(br#"{"openapi": "3.1.0"}"#)
            .oneshot(request)
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        (http::Response::from_parts(parts, ()), bytes)
    }

    #[tokio::test]
    async fn the_page_loads_what_is_there_and_nothing_of_another_host() {
        let (answer, page) = ask("/docs").await;
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("://") && !page.contains("style="), "{page}");
        let scripts = page.matches("<script").count();
        assert_eq!(
            page.matches("<script src=\"/docs/").count(),
            scripts,
            "a script within the page: {page}"
        );
        let loaded = page
            .split("\"/docs/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for file in loaded {
            let (answer, bytes) = ask(&format!("/docs/{file}")).await;
            assert_eq!(answer.status(), StatusCode::OK, "{file}");
            let is_compressed = bytes.starts_with(&[0x1f, 0x8b]);
            let encoding = answer.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
            assert_eq!(encoding, is_compressed.then_some(&b"gzip"[..]), "{file}");
            count += 1;
        }
        assert_eq!(
            count,
            scripts + 3,
            "scripts, the style sheet, and two texts of {page}"
        );
    }

    #[tokio::test]
    async fn the_document_is_the_api_s_own_and_an_unknown_file_is_not_there() {
        assert_eq!(ask("/api/v1/openapi.json").await.1, br#"{"openapi": "3.1.0"}"#);
        assert_eq!(ask("/docs/other.js").await.0.status(), StatusCode::NOT_FOUND);
    }
}
