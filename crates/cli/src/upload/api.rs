//! What the upload asks of the two APIs and of the object store. Each call has a deadline, and is repeated where that may
//! help.

use std::{collections::BTreeMap, time::Duration};

use depot_retry::{Delays, GaveUp, retry_transient};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::error::UploadError;
use crate::settings;

const CONNECT: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(60);
/// How long something that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing is sent more slowly than this on the whole.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// Both APIs, for one token.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    pub command: String,
    query: String,
    token: SecretString,
    cancel: CancellationToken,
}

/// The answer to an announcement.
#[derive(Debug, Clone, Deserialize)]
pub struct Announced {
    pub id: Uuid,
    /// None for a file that is sent in parts.
    #[serde(flatten)]
    pub whole: Option<Signed>,
}

/// A request that the object store takes.
#[derive(Debug, Clone, Deserialize)]
pub struct Signed {
    pub url: String,
    pub headers: BTreeMap<String, String>,
}

/// What has arrived of a file that is sent in parts.
#[derive(Debug, Clone, Deserialize)]
pub struct Arrived {
    pub status: String,
    pub part_size_bytes: u64,
    pub part_count: u64,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    pub number: u64,
    pub size_bytes: u64,
}

/// An upload as it stands.
#[derive(Debug, Clone, Deserialize)]
pub struct Standing {
    pub status: String,
    pub reason: Option<String>,
    pub version: u64,
}

#[derive(Debug, Deserialize)]
struct SignedParts {
    parts: Vec<Signed>,
}

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    detail: String,
}

impl Api {
    pub fn from_settings(cancel: CancellationToken) -> Result<Self, UploadError> {
        let (command, query, token) = settings::read(|reader| {
            (
                reader.url("COMMAND_PUBLIC_URL", "http://localhost:8080"),
                reader.url("QUERY_PUBLIC_URL", "http://localhost:8081"),
                reader.secret("TOKEN", 1),
            )
        })?;
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .build();
        let http = client.map_err(|source| UploadError::Away {
            doing: "prepare to call",
            source: Box::new(source),
        })?;
        Ok(Self {
            http,
            command,
            query,
            token,
            cancel,
        })
    }

    /// Announces a file; the same `body` under the same `key` is answered with the same upload.
    pub async fn announce(&self, key: Uuid, body: &str) -> Result<Announced, UploadError> {
        let request = || {
            self.to_command(Method::POST, "/api/v1/uploads")
                .header("Idempotency-Key", key.to_string())
                .header("Content-Type", "application/json")
                .body(body.to_owned())
        };
        self.ask("announce the file", request).await
    }

    pub async fn arrived(&self, id: Uuid) -> Result<Arrived, UploadError> {
        let path = format!("/api/v1/uploads/{id}/parts");
        self.ask("ask which parts have arrived", || {
            self.to_command(Method::GET, &path)
        })
        .await
    }

    /// Asks once; its caller repeats it together with the sending.
    pub async fn sign_part(&self, id: Uuid, number: u64) -> Result<Signed, UploadError> {
        let doing = "have a part signed";
        let request = self
            .to_command(Method::POST, &format!("/api/v1/uploads/{id}/parts"))
            .json(&serde_json::json!({"first": number, "count": 1}));
        let mut signed: SignedParts = parsed(doing, successful(doing, request).await?).await?;
        signed.parts.pop().ok_or_else(|| UploadError::Answer {
            doing,
            source: "no part in it".into(),
        })
    }

    pub async fn complete(&self, id: Uuid) -> Result<Standing, UploadError> {
        let path = format!("/api/v1/uploads/{id}/complete");
        self.ask("complete the upload", || self.to_command(Method::POST, &path))
            .await
    }

    /// Gives the upload up, so that its quota is free at once. One that is left open ends by itself.
    pub async fn abandon(&self, id: Uuid) -> Result<(), UploadError> {
        let request = self.to_command(Method::DELETE, &format!("/api/v1/uploads/{id}"));
        successful("give up the upload", request).await.map(drop)
    }

    /// The upload at `version` or a later one; none where that has not come to be in some seconds.
    pub async fn standing_at(&self, id: Uuid, version: u64) -> Result<Option<Standing>, UploadError> {
        let doing = "ask what became of the upload";
        let url = format!("{}/api/v1/uploads/{id}?min_version={version}", self.query);
        let request = || {
            self.http
                .get(&url)
                .timeout(CALL)
                .header("Prefer", "wait=20")
                .bearer_auth(self.token.expose_secret())
        };
        match self.repeated(|| successful(doing, request())).await {
            Ok(response) => parsed(doing, response).await.map(Some),
            Err(error) if error.is_problem("read-model-behind") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A PUT of the file to the command API; its caller gives it a body.
    pub fn content(&self, id: Uuid, content_type: &str) -> RequestBuilder {
        self.to_command(Method::PUT, &format!("/api/v1/uploads/{id}/content"))
            .header("Content-Type", content_type)
    }

    /// A request as the object store takes it, without the token.
    pub fn signed(&self, signed: &Signed) -> RequestBuilder {
        let request = self.http.put(&signed.url);
        signed
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Repeats what may pass, until it does, or for a minute, or until it is interrupted.
    pub async fn repeated<T, Fut>(&self, once: impl FnMut() -> Fut) -> Result<T, UploadError>
    where
        Fut: Future<Output = Result<T, UploadError>>,
    {
        let delays = Delays::lasting(Duration::from_millis(250), Duration::from_secs(8), PATIENCE);
        let passes = |error: &UploadError| matches!(error, UploadError::Away { .. });
        match retry_transient(delays, &self.cancel, once, passes).await {
            Ok(done) => Ok(done),
            Err(GaveUp::Permanent(error) | GaveUp::Exhausted(error)) => Err(error),
            Err(GaveUp::Cancelled(_)) => Err(UploadError::Interrupted),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, UploadError> {
        let response = self.repeated(|| successful(doing, request())).await?;
        parsed(doing, response).await
    }

    fn to_command(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.command))
            .timeout(CALL)
            .bearer_auth(self.token.expose_secret())
    }
}

/// How long the sending of so many bytes may take.
pub fn sending(size_bytes: u64) -> Duration {
    CALL + Duration::from_secs(size_bytes / SLOWEST_BYTES_PER_SECOND)
}

/// Sends a request once; what may pass is told apart from what will not.
pub async fn successful(doing: &'static str, request: RequestBuilder) -> Result<Response, UploadError> {
    let response = request.send().await.map_err(|source| UploadError::Away {
        doing,
        source: Box::new(source),
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    // Objects stores answer in XML, and their words are not needed.
    let problem: Problem = response.json().await.unwrap_or_default();
    let name = problem.kind.trim_start_matches("/problems/").to_owned();
    let passes = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
        || name == "request-in-progress";
    if passes && name != "read-model-behind" {
        return Err(UploadError::Away {
            doing,
            source: format!("{status} {}", problem.detail).into(),
        });
    }
    Err(UploadError::Refused {
        doing,
        status: status.as_u16(),
        problem: name,
        detail: problem.detail,
    })
}

async fn parsed<T: DeserializeOwned>(doing: &'static str, response: Response) -> Result<T, UploadError> {
    response.json().await.map_err(|source| UploadError::Answer {
        doing,
        source: Box::new(source),
    })
}
