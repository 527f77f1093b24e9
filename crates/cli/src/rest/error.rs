use std::{fmt, time::Duration};

use depot_service::{config::ConfigErrors, problem::FieldFault};
use reqwest::StatusCode;
use serde::Deserialize;

use super::client::Server;

/// Why there is no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    #[error(transparent)]
    Settings(#[from] ConfigErrors),
    #[error("{doing}: {} does not answer at {url}: check {}, and that it is running", server.name(), server.variable())]
    Away {
        doing: &'static str,
        server: Server,
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// It says to come again later, or that something of its own is the matter.
    #[error("{doing}: {problem}")]
    Busy {
        doing: &'static str,
        problem: Box<Problem>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It says no, and would again.
    #[error("{doing}: {problem}")]
    Refused {
        doing: &'static str,
        problem: Box<Problem>,
    },
    #[error("{doing}: an answer that cannot be understood, of another version of {} perhaps", server.name())]
    Answer {
        doing: &'static str,
        server: Server,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RestError {
    /// True where another attempt may succeed.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Busy { .. })
    }

    /// When the server wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What the server says is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// The type of the problem document, such as `item-deleted`; empty for an answer of another server.
    pub kind: String,
    pub detail: String,
    /// What is wrong in the body, the query or a header.
    pub errors: Vec<FieldFault>,
}

#[derive(Debug, Default, Deserialize)]
struct Document {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<FieldFault>,
}

impl Problem {
    /// Reads what came with that status, whoever sent it.
    pub fn read(status: StatusCode, body: &[u8]) -> Self {
        let document: Document = serde_json::from_slice(body).unwrap_or_default();
        let has_detail = !document.detail.is_empty();
        Self {
            status,
            kind: document.kind.trim_start_matches("/problems/").to_owned(),
            detail: if has_detail {
                document.detail
            } else {
                document.title
            },
            errors: document.errors,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.detail)?;
        for FieldFault { pointer, detail } in &self.errors {
            write!(f, "\n  {pointer}: {detail}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_all_that_is_wrong() {
        let body = br#"{"type": "/problems/validation-failed", "title": "Invalid", "status": 422,
            "detail": "2 fields are invalid; see errors.",
            "errors": [{"pointer": "/name", "detail": "is blank"}, {"pointer": "/tags/0", "detail": "is too long"}]}"#;
        let problem = Problem::read(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(problem.kind, "validation-failed");
        assert_eq!(
            problem.to_string(),
            "422 Unprocessable Entity 2 fields are invalid; see errors.\n  /name: is blank\n  /tags/0: is too long"
        );
    }

    #[test]
    fn what_another_server_says_has_no_type() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!((problem.kind.as_str(), problem.detail.as_str()), ("", ""));
    }
}
