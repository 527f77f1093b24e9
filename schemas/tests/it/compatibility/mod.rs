//! What may change within a version, checked against what was released: docs/versioning.md is the policy.

mod events;
mod openapi;
mod openapi_planted;
mod planted;
mod released;
mod schema;
mod shape;

use std::fmt;

pub use openapi::operations;

/// What somebody outside would notice, and must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Where, for example `POST /api/v1/items, request/tags`.
    pub at: String,
    pub what: String,
}

impl Break {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// One break a line.
pub fn listed(breaks: &[Break]) -> String {
    let lines: Vec<_> = breaks.iter().map(Break::to_string).collect();
    lines.join("\n")
}
