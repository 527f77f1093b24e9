use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::event_stream::EventStream;

/// A large file takes its time.
const LARGE: Duration = Duration::from_secs(600);
/// Of a client that is told to come again.
const ATTEMPTS: usize = 10;

/// A client of both REST APIs with one token, as anybody could write it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    command_url: String,
    query_url: String,
    token: String,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: bytes::Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The version in the `ETag`.
    pub fn version(&self) -> Option<String> {
        Some(self.header("etag")?.trim_matches('"').to_owned())
    }

    /// A text field of the body.
    pub fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub fn new(command_url: String, query_url: String, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(40))
            .build()
            .expect("a plain client");
        Self {
            http,
            command_url,
            query_url,
            token: token.to_owned(),
        }
    }

    /// A request to the command API, without an idempotency key.
    pub fn command(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.command_url))
            .bearer_auth(&self.token)
    }

    /// A request to the query API.
    pub fn query(&self, path_and_query: &str) -> RequestBuilder {
        self.http
            .get(format!("{}{path_and_query}", self.query_url))
            .bearer_auth(&self.token)
    }

    /// Opens a stream of all changes of items: from now, or behind an event.
    pub async fn stream(&self, last_event_id: Option<&str>) -> Result<EventStream> {
        let request = self.query("/api/v1/stream").timeout(LARGE);
        let request = match last_event_id {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        EventStream::of(request.send().await?)
    }

    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer {
            status,
            headers,
            bytes: response.bytes().await?,
        })
    }

    /// Creates an item under an idempotency key.
    pub async fn create_item(&self, key: &str, body: &Value) -> Result<Answer> {
        let request = self
            .command(Method::POST, "/api/v1/items")
            .header("Idempotency-Key", key)
            .json(body);
        self.send(request).await
    }

    /// Patches an item of which `version` is known, under an idempotency key.
    pub async fn patch_item(&self, id: &str, version: &str, key: &str, patch: &Value) -> Result<Answer> {
        let request = self
            .command(Method::PATCH, &format!("/api/v1/items/{id}"))
            .header("Idempotency-Key", key)
            .header("If-Match", format!("\"{version}\""))
            .header("Content-Type", "application/merge-patch+json")
            .body(patch.to_string());
        self.send(request).await
    }

    pub async fn delete_item(&self, id: &str, version: &str) -> Result<Answer> {
        let request = self.command(Method::DELETE, &format!("/api/v1/items/{id}"));
        self.send(request.header("If-Match", format!("\"{version}\"")))
            .await
    }

    /// Reads a resource that must be at least of `version`, waiting for it as long as the API allows.
    pub async fn read_at_least(&self, path: &str, version: &str) -> Result<Answer> {
        let request = self.query(&format!("{path}?min_version={version}"));
        self.send(request.header("Prefer", "wait=30")).await
    }

    /// Announces an upload.
    pub async fn request_upload(&self, item: &str, name: &str, size: usize, sha256: &str) -> Result<Answer> {
        self.request_upload_of("application/octet-stream", item, name, size, sha256)
            .await
    }

    /// Announces an upload of a type.
    pub async fn request_upload_of(
        &self,
        content_type: &str,
        item: &str,
        name: &str,
        size: usize,
        sha256: &str,
    ) -> Result<Answer> {
        let body = json!({
            "item_id": item, "file_name": name, "content_type": content_type,
            "size_bytes": size, "sha256": sha256,
        });
        let key = new_key();
        let request = || {
            self.command(Method::POST, "/api/v1/uploads")
                .header("Idempotency-Key", &key)
                .json(&body)
        };
        self.send_until_taken(request).await
    }

    /// As a client does that is told to come again: under the same key, while a busy server asks it to.
    async fn send_until_taken(&self, request: impl Fn() -> RequestBuilder) -> Result<Answer> {
        let mut answer = self.send(request()).await?;
        for _ in 0..ATTEMPTS {
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            let Some(seconds) = answer.headers.get("retry-after") else {
                break;
            };
            let seconds = seconds.to_str()?.parse()?;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            answer = self.send(request()).await?;
        }
        Ok(answer)
    }

    /// Has parts of an upload signed, `count` from `first` on.
    pub async fn sign_parts(&self, id: &str, first: i64, count: i64) -> Result<Answer> {
        let request = self.command(Method::POST, &format!("/api/v1/uploads/{id}/parts"));
        self.send(request.json(&json!({"first": first, "count": count})))
            .await
    }

    /// Which parts have arrived.
    pub async fn arrived_parts(&self, id: &str) -> Result<Answer> {
        self.send(self.command(Method::GET, &format!("/api/v1/uploads/{id}/parts")))
            .await
    }

    /// Sends all parts of an announced upload, one after the other; `content` gives each from its offset and size.
    pub async fn put_parts(
        &self,
        announced: &Value,
        content: impl Fn(usize, usize) -> Vec<u8>,
    ) -> Result<()> {
        let id = announced["id"].as_str().context("no id")?;
        let count = announced["part_count"].as_i64().context("no part_count")?;
        for number in 1..=count {
            let signed = self.sign_parts(id, number, 1).await?;
            anyhow::ensure!(signed.status.is_success(), "sign part {number}: {signed:?}");
            let part = signed.json()["parts"][0].clone();
            let bytes = |member: &str| part[member].as_u64().unwrap_or_default() as usize;
            let put = self
                .put_presigned(&part, content(bytes("offset_bytes"), bytes("size_bytes")))
                .await?;
            anyhow::ensure!(put.status.is_success(), "part {number}: {put:?}");
        }
        Ok(())
    }

    /// Sends the file through the command API.
    pub async fn put_content(&self, id: &str, size: usize, body: reqwest::Body) -> Result<Answer> {
        let request = self
            .command(Method::PUT, &format!("/api/v1/uploads/{id}/content"))
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", size)
            .timeout(LARGE)
            .body(body);
        self.send(request).await
    }

    /// Sends bytes piece by piece. Their number is part of the signature, and a stream does not tell it by itself.
    pub async fn put_presigned_stream(
        &self,
        upload: &Value,
        size: usize,
        stream: reqwest::Body,
    ) -> Result<Answer> {
        let request = self
            .presigned(upload)?
            .header("Content-Length", size)
            .timeout(LARGE)
            .body(stream);
        self.send(request).await
    }

    /// Sends the bytes as the announced upload says, without a token.
    pub async fn put_presigned(&self, upload: &Value, file: Vec<u8>) -> Result<Answer> {
        self.send(self.presigned(upload)?.body(file)).await
    }

    fn presigned(&self, upload: &Value) -> Result<RequestBuilder> {
        let request = self.http.put(upload["url"].as_str().context("no url")?);
        let headers = upload["headers"].as_object().into_iter().flatten();
        Ok(headers.fold(request, |request, (name, value)| {
            request.header(name, value.as_str().unwrap_or_default())
        }))
    }

    pub async fn complete_upload(&self, id: &str) -> Result<Answer> {
        self.send(self.command(Method::POST, &format!("/api/v1/uploads/{id}/complete")))
            .await
    }

    pub async fn abort_upload(&self, id: &str) -> Result<Answer> {
        self.send(self.command(Method::DELETE, &format!("/api/v1/uploads/{id}")))
            .await
    }

    /// Announce, send, complete; answers the upload's id.
    pub async fn upload(&self, item: &str, name: &str, file: Vec<u8>) -> Result<String> {
        self.upload_of("application/octet-stream", item, name, file).await
    }

    /// The same for a file of a type.
    pub async fn upload_of(
        &self,
        content_type: &str,
        item: &str,
        name: &str,
        file: Vec<u8>,
    ) -> Result<String> {
        let announced = self
            .request_upload_of(content_type, item, name, file.len(), &sha256_hex(&file))
            .await?;
        anyhow::ensure!(announced.status == StatusCode::CREATED, "announce: {announced:?}");
        let upload = announced.json();
        if upload["method"] == "multipart" {
            self.put_parts(&upload, |offset, size| file[offset..offset + size].to_vec())
                .await?;
        } else {
            let put = self.put_presigned(&upload, file).await?;
            anyhow::ensure!(put.status.is_success(), "put: {put:?}");
        }
        let id = announced.text("id");
        let completed = self.complete_upload(&id).await?;
        anyhow::ensure!(completed.status.is_success(), "complete: {completed:?}");
        Ok(id)
    }
}

fn new_key() -> String {
    Uuid::now_v7().to_string()
}

/// As 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
