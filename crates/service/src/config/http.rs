//! `BIND_ADDRESS`, `PORT`, `REQUEST_TIMEOUT_MS`, `MAX_BODY_BYTES`, `MAX_CONCURRENT_REQUESTS`, `MAX_CONNECTIONS`,
//! `CONNECTION_HEAD_TIMEOUT_SECONDS`, `CORS_ORIGINS`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::HeaderValue;

use super::ConfigReader;
use crate::connections::ConnectionLimits;

/// A public HTTP listener and the limits of [`standard_layers`](crate::layers::standard_layers).
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The address to listen on; all IPv4 addresses by default.
    pub bind: IpAddr,
    /// The port to listen on; 0 lets the system choose.
    pub port: u16,
    /// The longest time from a request's head to the head of its answer.
    pub request_timeout: Duration,
    /// The largest request body.
    pub max_body_bytes: usize,
    /// Requests in progress beyond this are answered 503 at once.
    pub max_concurrent_requests: usize,
    /// What the listener allows.
    pub connections: ConnectionLimits,
    /// Origins that browsers may call from, as `scheme://host[:port]`; none by default.
    pub cors_origins: Vec<HeaderValue>,
}

impl HttpConfig {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader, default_port: u16) -> Self {
        Self {
            bind: bind_address(reader),
            port: reader.port("PORT", default_port),
            request_timeout: reader.millis("REQUEST_TIMEOUT_MS", 15_000, 1..=300_000),
            max_body_bytes: reader.number("MAX_BODY_BYTES", 262_144, 1_024..=67_108_864),
            max_concurrent_requests: reader.number("MAX_CONCURRENT_REQUESTS", 1_024, 1..=1_000_000),
            connections: ConnectionLimits {
                max_open: reader.number("MAX_CONNECTIONS", 10_000, 1..=1_000_000),
                head_timeout: reader.seconds("CONNECTION_HEAD_TIMEOUT_SECONDS", 75, 1..=3_600),
                ..ConnectionLimits::default()
            },
            cors_origins: cors_origins(reader),
        }
    }
}

impl Default for HttpConfig {
    /// The defaults on a port that the system chooses: for tests.
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            request_timeout: Duration::from_secs(15),
            max_body_bytes: 262_144,
            max_concurrent_requests: 1_024,
            connections: ConnectionLimits::default(),
            cors_origins: Vec::new(),
        }
    }
}

pub(super) fn bind_address(reader: &mut ConfigReader) -> IpAddr {
    let default = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let Some(text) = reader.optional_text("BIND_ADDRESS") else {
        return default;
    };
    text.parse().unwrap_or_else(|_| {
        if !reader.has_fault("BIND_ADDRESS") {
            reader.fault(
                "BIND_ADDRESS",
                "is not an IP address",
                "set an address such as 0.0.0.0 or ::",
            );
        }
        default
    })
}

fn cors_origins(reader: &mut ConfigReader) -> Vec<HeaderValue> {
    let mut origins = Vec::new();
    for origin in reader.list("CORS_ORIGINS") {
        let parsed = url::Url::parse(&origin)
            .ok()
            .filter(|url| url.origin().ascii_serialization() == origin);
        match parsed.and_then(|_| HeaderValue::from_str(&origin).ok()) {
            Some(value) => origins.push(value),
            None => reader.fault(
                "CORS_ORIGINS",
                format!("`{origin}` is not an origin"),
                "set scheme://host[:port] without a path, several separated by commas",
            ),
        }
    }
    origins
}
