//! A client as anybody could write it: it knows several instances of each API.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use depot_proto::v1::query_service_client::QueryServiceClient;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap, redirect::Policy};
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

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

    pub fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }

    /// The aggregate's version in the `ETag`, of a database that was never set back.
    pub fn version(&self) -> Option<i64> {
        let tag = self.headers.get("etag")?.to_str().ok()?;
        tag.trim_start_matches("W/")
            .trim_matches('"')
            .split(['-', ';'])
            .next()?
            .parse()
            .ok()
    }

    /// Neither refused for a while nor left open: the same request again is answered the same.
    pub fn is_final(&self) -> bool {
        let in_progress = self.status == StatusCode::CONFLICT && self.headers.contains_key("retry-after");
        // A token that a jumping clock does not accept is accepted later, and a body that broke off may be sent again.
        let passes = [
            StatusCode::UNAUTHORIZED,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_MANY_REQUESTS,
        ]
        .contains(&self.status);
        self.status.is_success() || (self.status.is_client_error() && !in_progress && !passes)
    }
}

/// How long a client waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For an answer: longer than any wait that a request asks for.
    pub timeout: Duration,
    /// For a version that is to be read, as `Prefer` asks.
    pub wait_seconds: u32,
}

impl Patience {
    /// Shorter than a pause, so that clients go to the other instance.
    pub const SHORT: Self = Self {
        timeout: Duration::from_secs(6),
        wait_seconds: 2,
    };

    /// For a version that is to be read.
    pub fn wait(self) -> Duration {
        Duration::from_secs(self.wait_seconds.into())
    }
}

/// Where the instances are.
pub struct Urls {
    pub commands: Vec<String>,
    pub queries: Vec<String>,
    pub grpc: Vec<String>,
}

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    commands: Arc<[String]>,
    queries: Arc<[String]>,
    grpc: Arc<[Channel]>,
    turn: Arc<AtomicUsize>,
    token: String,
    pub subject: String,
    pub patience: Patience,
}

impl Client {
    /// `urls` lead to all instances of the command API, of the query API, and of its gRPC side.
    pub fn new(urls: Urls, subject: &str, token: String, patience: Patience) -> Result<Self> {
        let timeout = patience.timeout;
        let channel = |url| Ok(Endpoint::from_shared(url)?.timeout(timeout).connect_lazy());
        let grpc: Result<Vec<Channel>> = urls.grpc.into_iter().map(channel).collect();
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(timeout)
            .build()?;
        Ok(Self {
            http,
            commands: urls.commands.into(),
            queries: urls.queries.into(),
            grpc: grpc?.into(),
            turn: Arc::default(),
            token,
            subject: subject.to_owned(),
            patience,
        })
    }

    fn next<'a, T>(&self, urls: &'a [T]) -> &'a T {
        &urls[self.turn.fetch_add(1, Ordering::Relaxed) % urls.len()]
    }

    /// To one of the command APIs, each time to the next.
    pub fn command(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.next(&self.commands)))
            .bearer_auth(&self.token)
    }

    /// To one of the query APIs.
    pub fn query(&self, path: &str) -> RequestBuilder {
        self.http
            .get(format!("{}{path}", self.next(&self.queries)))
            .bearer_auth(&self.token)
    }

    /// To one of the query APIs, by gRPC.
    pub fn grpc(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.next(&self.grpc).clone())
    }

    /// A gRPC request with the token.
    pub fn with_token<T>(&self, message: T) -> Result<tonic::Request<T>> {
        let mut request = tonic::Request::new(message);
        let token = format!("Bearer {}", self.token).parse()?;
        request.metadata_mut().insert("authorization", token);
        Ok(request)
    }

    /// Straight to the object store, as an announced upload, or a part of one, says.
    pub fn presigned(&self, signed: &Value) -> RequestBuilder {
        let request = self.http.put(signed["url"].as_str().unwrap_or_default());
        let headers = signed["headers"].as_object().into_iter().flatten();
        headers.fold(request, |request, (name, value)| {
            request.header(name, value.as_str().unwrap_or_default())
        })
    }

    pub async fn send(request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?;
        Ok(Answer {
            status,
            headers,
            bytes,
        })
    }
}
