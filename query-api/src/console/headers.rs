//! What a browser is told of the page: it runs its own files alone, and talks with the listed origins alone.

use axum::response::Response;
use http::{
    HeaderName, HeaderValue,
    header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
/// Nothing of the machine is asked for.
const NO_PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()",
);

/// The headers of every answer of the console.
#[derive(Debug, Clone)]
pub struct PageHeaders {
    policy: HeaderValue,
}

impl PageHeaders {
    /// With the origins that the page talks with, and the one that pictures come from.
    pub fn new(talks_with: &[String], pictures_from: Option<&str>) -> Self {
        let pictures = pictures_from.map_or_else(String::new, |origin| format!(" {origin}"));
        let talks = talks_with.iter().map(|origin| format!(" {origin}"));
        let talks: String = talks.collect();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:{pictures}; \
             connect-src 'self'{talks}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Self {
            // Origins are ASCII; where one is not, nothing is allowed.
            policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// The answer with them.
    pub fn on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(PERMISSIONS, NO_PERMISSIONS);
        response
    }
}
