//! Which Content-Type a route takes.

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

use crate::problem::Problem;

/// The media type of a request body, as a type.
pub trait MediaType: Send + Sync + 'static {
    /// `type/subtype`, lower case.
    const NAME: &'static str;
    /// The answer's header that names it in a 415.
    const ACCEPT: HeaderName;
}

/// `application/json`.
#[derive(Debug, Clone, Copy)]
pub struct ApplicationJson;

impl MediaType for ApplicationJson {
    const NAME: &'static str = "application/json";
    const ACCEPT: HeaderName = ACCEPT;
}

/// `application/merge-patch+json` (RFC 7396).
#[derive(Debug, Clone, Copy)]
pub struct MergePatchJson;

impl MediaType for MergePatchJson {
    const NAME: &'static str = "application/merge-patch+json";
    const ACCEPT: HeaderName = HeaderName::from_static("accept-patch");
}

/// `application/x-ndjson`: a JSON value a line.
#[derive(Debug, Clone, Copy)]
pub struct NdJson;

impl MediaType for NdJson {
    const NAME: &'static str = crate::ndjson::MEDIA_TYPE;
    const ACCEPT: HeaderName = ACCEPT;
}

/// Checks Content-Type and Content-Encoding, of a body that is not read by an extractor of this module.
///
/// # Errors
/// The problem `unsupported-media-type`.
pub fn check<M: MediaType>(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::unsupported_media_type(detail, M::ACCEPT, M::NAME));
    let wanted = format!("Send the body as {} in UTF-8.", M::NAME);
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return refuse(format!("Content-Type is missing. {wanted}"));
    };
    let text = value.to_str().unwrap_or_default();
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    if !name.trim().eq_ignore_ascii_case(M::NAME) {
        return refuse(format!("Content-Type is another one. {wanted}"));
    }
    let charset = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find_map(|(key, value)| {
            key.trim()
                .eq_ignore_ascii_case("charset")
                .then_some(value.trim().trim_matches('"'))
        });
    if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return refuse(format!("The charset is another one. {wanted}"));
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding.as_bytes() != b"identity" => {
            refuse(format!("Content-Encoding is not supported. {wanted}"))
        }
        _ => Ok(()),
    }
}
