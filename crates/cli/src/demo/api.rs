use anyhow::{Context, bail};
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{AUTHORIZATION, ETAG, HeaderMap, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;
use uuid::Uuid;

use super::Endpoints;

/// How long a read may wait for its version, in seconds.
const WAIT: &str = "wait=15";

/// The REST APIs as a client sees them.
pub struct Api {
    client: Client,
    command: String,
    query: String,
}

/// A representation and the version it has.
pub struct Versioned {
    pub body: Value,
    pub version: String,
}

impl Versioned {
    /// A text field of the representation.
    pub fn text(&self, field: &str) -> anyhow::Result<&str> {
        self.body[field]
            .as_str()
            .with_context(|| format!("the answer has no `{field}`: {}", self.body))
    }
}

impl Api {
    pub fn new(endpoints: &Endpoints, token: &str) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        let client = Client::builder()
            .default_headers(headers)
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            client,
            command: endpoints.command.clone(),
            query: endpoints.query.clone(),
        })
    }

    /// Sends a command with an idempotency key of its own.
    pub async fn command(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        if_match: Option<&str>,
    ) -> anyhow::Result<Versioned> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.command))
            .header("Idempotency-Key", Uuid::now_v7().to_string());
        if let Some(version) = if_match {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        if let Some(body) = body {
            let media_type = match method {
                Method::PATCH => "application/merge-patch+json",
                _ => "application/json",
            };
            request = request.header("Content-Type", media_type).body(body.to_string());
        }
        versioned(request.send().await?).await
    }

    /// Reads a resource that must be at least of `version`, waiting for it.
    pub async fn read(&self, path: &str, version: &str) -> anyhow::Result<Versioned> {
        let url = format!("{}{path}?min_version={version}", self.query);
        versioned(self.client.get(url).header("Prefer", WAIT).send().await?).await
    }

    /// Reads what has no version, a list for instance.
    pub async fn list(&self, path_and_query: &str) -> anyhow::Result<Value> {
        let response = self
            .client
            .get(format!("{}{path_and_query}", self.query))
            .send()
            .await?;
        Ok(successful(response).await?.json().await?)
    }

    /// Sends a file as a presigned request says: method, URL and headers, and no token.
    pub async fn put_presigned(&self, presigned: &Value, file: Vec<u8>) -> anyhow::Result<()> {
        let url = presigned["url"].as_str().context("the answer has no `url`")?;
        let mut request = Client::new().put(url).body(file);
        for (name, value) in presigned["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        successful(request.send().await?).await.map(drop)
    }

    /// Follows the download of an upload's file to the object store.
    pub async fn download(&self, upload: &str) -> anyhow::Result<bytes::Bytes> {
        let url = format!("{}/api/v1/uploads/{upload}/content", self.query);
        let response = self.client.get(url).send().await?;
        if response.status() != StatusCode::TEMPORARY_REDIRECT {
            bail!(
                "the download answered {} instead of a redirect",
                response.status()
            );
        }
        let location = response
            .headers()
            .get("Location")
            .context("a redirect without Location")?
            .to_str()?;
        Ok(successful(Client::new().get(location).send().await?)
            .await?
            .bytes()
            .await?)
    }
}

async fn versioned(response: Response) -> anyhow::Result<Versioned> {
    let response = successful(response).await?;
    let etag = response
        .headers()
        .get(ETAG)
        .context("the answer has no ETag")?
        .to_str()?;
    let version = etag.trim_matches('"').to_owned();
    let text = response.text().await?;
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text)?
    };
    Ok(Versioned { body, version })
}

async fn successful(response: Response) -> anyhow::Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let url = response.url().path().to_owned();
    bail!(
        "{url} answered {status}: {}",
        response.text().await.unwrap_or_default()
    )
}
