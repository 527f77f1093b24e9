use std::{net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::Result;
use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use bytes::Bytes;
use depot_service::{
    auth::{Door, Principal, TokenVerifier},
    config::JwtConfig,
};
use depot_test_stack::settings;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// An answer of the product, to be given by a server that does nothing else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HotAnswer {
    pub headers: Vec<(String, String)>,
    pub body: String,
}

#[derive(Clone, FromRef)]
struct Hot {
    door: Arc<Door>,
    answer: Answer,
}

#[derive(Clone)]
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

/// Serves the answer that lies in a file as JSON under every path, to whoever has a token, until the process is ended.
pub async fn serve_rest(port: u16, answer: &Path) -> Result<()> {
    let answer: HotAnswer = serde_json::from_slice(&std::fs::read(answer)?)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        headers.insert(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
    }
    let jwt = JwtConfig::for_secret(settings().get("JWT_SECRET"));
    let state = Hot {
        door: Door::without_limit(TokenVerifier::new(&jwt)),
        answer: Answer {
            headers,
            body: Bytes::from(answer.body),
        },
    };
    let router = Router::new().route("/{*path}", get(hot)).with_state(state);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    // As the product's.
    let listener = listener.tap_io(|stream| {
        let _stays_slow = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn hot(State(answer): State<Answer>, _: Principal) -> Response {
    (answer.headers, answer.body).into_response()
}
