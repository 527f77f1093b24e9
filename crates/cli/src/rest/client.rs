use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{ETAG, HeaderMap, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::error::{Problem, RestError};
use crate::settings;

const CONNECT: Duration = Duration::from_secs(10);
/// A read waits for a version for half of it at most.
const CALL: Duration = Duration::from_secs(60);

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    CommandApi,
    QueryApi,
}

impl Server {
    pub fn name(self) -> &'static str {
        match self {
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
        }
    }

    /// Which names its address.
    pub fn variable(self) -> &'static str {
        match self {
            Self::CommandApi => "COMMAND_PUBLIC_URL",
            Self::QueryApi => "QUERY_PUBLIC_URL",
        }
    }
}

/// Both APIs, for one token.
#[derive(Debug, Clone)]
pub struct Rest {
    http: Client,
    command: String,
    query: String,
    token: SecretString,
}

/// An answer that counts, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The version token in the `ETag`.
    pub version: Option<String>,
    /// It was given before, to a request with the same key.
    pub is_replayed: bool,
    pub bytes: Bytes,
    doing: &'static str,
    server: Server,
}

impl Answer {
    /// The document that was answered.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn json(&self) -> Result<Value, RestError> {
        serde_json::from_slice(&self.bytes).map_err(|source| RestError::Answer {
            doing: self.doing,
            server: self.server,
            source: source.into(),
        })
    }

    /// What is to be said of an answer that has not what it should.
    pub fn without(&self, member: &str) -> RestError {
        RestError::Answer {
            doing: self.doing,
            server: self.server,
            source: format!("no `{member}` in it").into(),
        }
    }
}

impl Rest {
    /// By COMMAND_PUBLIC_URL, QUERY_PUBLIC_URL and DEPOT_TOKEN; calls nobody yet.
    pub fn from_settings() -> Result<Self, RestError> {
        let (command, query, token) = settings::read(|reader| {
            (
                reader.url("COMMAND_PUBLIC_URL", "http://localhost:8080"),
                reader.url("QUERY_PUBLIC_URL", "http://localhost:8081"),
                reader.secret("TOKEN", 1),
            )
        })?;
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(Policy::none())
            .build();
        let http = client.map_err(|source| RestError::Away {
            doing: "prepare to call",
            server: Server::CommandApi,
            url: command.clone(),
            source,
        })?;
        Ok(Self {
            http,
            command,
            query,
            token,
        })
    }

    /// Where a server is.
    pub fn url(&self, server: Server) -> &str {
        match server {
            Server::CommandApi => &self.command,
            Server::QueryApi => &self.query,
        }
    }

    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// A request to a path, to which its caller adds headers and a body.
    pub fn request(&self, server: Server, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url(server)))
            .bearer_auth(self.token.expose_secret())
    }

    /// Sends a request, once; what may pass is told apart from what will not.
    pub async fn send(
        &self,
        doing: &'static str,
        server: Server,
        request: RequestBuilder,
    ) -> Result<Answer, RestError> {
        let away = |source: reqwest::Error| RestError::Away {
            doing,
            server,
            url: self.url(server).to_owned(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(away)?;
        let (status, headers) = (response.status(), response.headers().clone());
        // An answer that is cut off is none.
        let bytes = response.bytes().await.map_err(away)?;
        if status.is_success() {
            let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok());
            return Ok(Answer {
                version: tag.map(version_of),
                is_replayed: headers.contains_key("idempotency-replayed"),
                bytes,
                doing,
                server,
            });
        }
        let problem = Box::new(Problem::read(status, &bytes));
        Err(match may_pass(&problem) {
            true => RestError::Busy {
                doing,
                problem,
                retry_after: retry_after(&headers),
            },
            false => RestError::Refused { doing, problem },
        })
    }
}

/// The version in an entity tag. Views that were built anew add to it which of them shows it (`"7-p2"`).
fn version_of(tag: &str) -> String {
    let opaque = tag.trim_start_matches("W/").trim_matches('"');
    opaque.split('-').next().unwrap_or_default().to_owned()
}

/// A read that was told how long to wait has waited that long.
fn may_pass(problem: &Problem) -> bool {
    let is_later = problem.status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&problem.status)
        || problem.kind == "request-in-progress";
    is_later && problem.kind != "read-model-behind"
}

/// In seconds; a date, as some proxies send it, is left to the caller's own delays.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(status: u16, kind: &str) -> bool {
        let status = StatusCode::from_u16(status).unwrap();
        let body = format!(r#"{{"type": "/problems/{kind}"}}"#);
        may_pass(&Problem::read(status, body.as_bytes()))
    }

    #[test]
    fn what_may_pass_is_told_apart_from_what_will_not() {
        for (status, kind) in [
            (503, "unavailable"),
            (429, "rate-limited"),
            (408, ""),
            (502, ""),
            (409, "request-in-progress"),
        ] {
            assert!(passes(status, kind), "{status} {kind}");
        }
        for (status, kind) in [
            (503, "read-model-behind"),
            (412, "precondition-failed"),
            (409, "item-busy"),
            (401, "unauthorized"),
            (404, ""),
        ] {
            assert!(!passes(status, kind), "{status} {kind}");
        }
    }

    #[test]
    fn the_version_is_read_from_the_tag_of_commands_and_of_every_view() {
        for (tag, version) in [
            ("\"7\"", "7"),
            ("\"497031.7\"", "497031.7"),
            ("\"2.7-p12\"", "2.7"),
        ] {
            assert_eq!(version_of(tag), version);
        }
    }

    #[test]
    fn the_time_to_come_again_is_read_in_seconds() {
        let after = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(after("3"), Some(Duration::from_secs(3)));
        assert_eq!(after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
