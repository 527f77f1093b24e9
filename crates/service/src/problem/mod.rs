//! Problem documents (RFC 9457): what every error over HTTP looks like.
//!
//! A [`ProblemType`] is declared once, with its title, status and description, and served as documentation by
//! [`documentation`]. A [`Problem`] is one occurrence. The client's text and the internal cause are apart:
//! [`Problem::internal`] logs the cause and tells the client nothing of it.

mod docs;
mod document;
mod general;
mod response;
pub mod types;

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

pub use docs::documentation;
pub use document::{FieldFault, Problem, ProblemDocument};
pub use general::chain;

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A kind of problem; its URI is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// The last segment of `/problems/{name}`, lower case with hyphens.
    pub name: &'static str,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// A short summary that is the same for every occurrence.
    pub title: &'static str,
    /// What it means and what a client can do: shown as documentation.
    pub description: &'static str,
}

impl ProblemType {
    /// The URI reference that goes into `type`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("/problems/{}", self.name)
    }
}

impl Problem {
    /// An occurrence of `kind` without a detail.
    #[must_use]
    pub fn of(kind: &ProblemType) -> Self {
        Self(Box::new(ProblemDocument {
            type_uri: kind.uri(),
            title: Cow::Borrowed(kind.title),
            status: kind.status,
            detail: None,
            instance: None,
            errors: Vec::new(),
            trace_id: None,
            extensions: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// Says what happened this time. Clients see it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names the resource. [`standard_layers`](crate::layers::standard_layers) sets the request's path where none is
    /// set.
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.0.instance = Some(instance.into());
        self
    }

    /// Lists the invalid parts of the request.
    #[must_use]
    pub fn with_errors(mut self, errors: impl IntoIterator<Item = FieldFault>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// Adds a member.
    #[must_use]
    pub fn with_extension(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        self.with_header(http::header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Whether this is an occurrence of `kind`.
    #[must_use]
    pub fn is(&self, kind: &ProblemType) -> bool {
        self.type_uri.strip_prefix("/problems/") == Some(kind.name)
    }

    /// The document as JSON text: what is stored where an answer is kept for a repeat.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and a map of JSON values always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Fills in what only the outermost layer knows.
    pub(crate) fn complete(&mut self, path: &str, trace_id: Option<String>) {
        self.0.instance.get_or_insert_with(|| path.to_owned());
        if self.0.trace_id.is_none() {
            self.0.trace_id = trace_id;
        }
    }

    /// Answers `status` instead of the usual one of its kind.
    pub(crate) fn with_status(mut self, status: http::StatusCode) -> Self {
        self.0.status = status.as_u16();
        self
    }

    /// Headers of the answer besides `Content-Type`.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().map(|(name, value)| (name, value))
    }
}
