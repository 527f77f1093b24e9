//! What the operators' commands ask of command-api and of the projector: with the token of DEPOT_TOKEN, each call with a
//! deadline.

use std::time::Duration;

use depot_service::config::ConfigErrors;
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};

use crate::settings;

const CONNECT: Duration = Duration::from_secs(10);
/// For a call that says nothing else.
pub const CALL: Duration = Duration::from_secs(60);

/// Why there is no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(transparent)]
    Settings(#[from] ConfigErrors),
    #[error("{doing}: {} does not answer at {url}: check {}, and that it is running", server.name, server.variable)]
    Away {
        doing: &'static str,
        server: Server,
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// `problem` is the type of the problem document, such as `forbidden`; empty for an answer of another server.
    #[error("{doing}: {status} {detail}")]
    Refused {
        doing: &'static str,
        status: StatusCode,
        problem: String,
        detail: String,
    },
    #[error("{doing}: an answer that cannot be understood, of another version of {} perhaps", server.name)]
    Answer {
        doing: &'static str,
        server: Server,
        #[source]
        source: reqwest::Error,
    },
}

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    name: &'static str,
    /// Which names its address.
    variable: &'static str,
}

const COMMAND_API: Server = Server {
    name: "command-api",
    variable: "COMMAND_PUBLIC_URL",
};
const PROJECTOR: Server = Server {
    name: "the projector",
    variable: "PROJECTOR_ADMIN_URL",
};

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

/// One of them, for one token.
#[derive(Debug, Clone)]
pub struct AdminClient {
    http: Client,
    server: Server,
    url: String,
    token: SecretString,
}

impl AdminClient {
    /// command-api; calls nobody yet.
    pub fn from_settings() -> Result<Self, AdminError> {
        let (url, token) = settings::read(|reader| {
            (
                reader.url("COMMAND_PUBLIC_URL", "http://localhost:8080"),
                reader.secret("TOKEN", 1),
            )
        })?;
        Self::new(COMMAND_API, url, token)
    }

    /// The projector, by its admin port; calls nobody yet.
    pub fn of_projector() -> Result<Self, AdminError> {
        let (url, token) = settings::read(|reader| {
            (
                reader.url("PROJECTOR_ADMIN_URL", "http://127.0.0.1:9182"),
                reader.secret("TOKEN", 1),
            )
        })?;
        Self::new(PROJECTOR, url, token)
    }

    fn new(server: Server, url: String, token: SecretString) -> Result<Self, AdminError> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(Policy::none())
            .build();
        let http = client.map_err(|source| AdminError::Away {
            doing: "prepare to call",
            server,
            url: url.clone(),
            source,
        })?;
        Ok(Self {
            http,
            server,
            url,
            token,
        })
    }

    /// A request to a path, to which its caller may add a body, headers and another deadline.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.token.expose_secret())
    }

    /// Sends a request, once, and reads the answer.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        request: RequestBuilder,
    ) -> Result<T, AdminError> {
        let response = request.send().await.map_err(|source| AdminError::Away {
            doing,
            server: self.server,
            url: self.url.clone(),
            source: source.without_url(),
        })?;
        let status = response.status();
        if status.is_success() {
            let parsed = response.json().await;
            let server = self.server;
            return parsed.map_err(|source| AdminError::Answer {
                doing,
                server,
                source,
            });
        }
        let problem: Problem = response.json().await.unwrap_or_default();
        let has_detail = !problem.detail.is_empty();
        Err(AdminError::Refused {
            doing,
            status,
            problem: problem.kind.trim_start_matches("/problems/").to_owned(),
            detail: if has_detail { problem.detail } else { problem.title },
        })
    }
}
