use std::io::Write as _;

/// Requests that read items, one after the other and then again.
#[derive(Debug, Clone)]
pub struct ReadItems {
    host: String,
    token: String,
    ids: Vec<String>,
}

impl ReadItems {
    /// From query-api at `host:port`, of at least one id.
    pub fn new(host: &str, token: &str, ids: Vec<String>) -> Self {
        Self {
            host: host.to_owned(),
            token: token.to_owned(),
            ids,
        }
    }

    /// Puts the whole request into an empty buffer.
    pub fn write(&self, number: u64, request: &mut Vec<u8>) {
        let (Self { host, token, ids }, place) = (self, number as usize % self.ids.len());
        let written = write!(
            request,
            "GET /api/v1/items/{} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n",
            ids[place]
        );
        debug_assert!(written.is_ok(), "memory takes all that is written");
    }
}
