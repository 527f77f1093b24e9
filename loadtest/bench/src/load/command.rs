use std::io::Write as _;

use uuid::Uuid;

/// Requests that create an item each, under a key of their own.
#[derive(Debug, Clone)]
pub struct CreateItems {
    host: String,
    token: String,
    /// No two loads have the same keys.
    run: u64,
}

impl CreateItems {
    pub const PATH: &'static str = "/api/v1/items";

    /// For command-api at `host:port`.
    pub fn new(host: &str, token: &str) -> Self {
        Self {
            host: host.to_owned(),
            token: token.to_owned(),
            run: Uuid::now_v7().as_u64_pair().1,
        }
    }

    pub fn key(&self, number: u64) -> Uuid {
        Uuid::from_u64_pair(self.run, number)
    }

    pub fn body(number: u64) -> String {
        format!(
            r#"{{"name":"Bench item {number}","description":"Made under load, to be found by its words.","tags":["bench","tag-{}"],"attributes":{{"n":{number},"colour":"red"}}}}"#,
            number % 20
        )
    }

    /// Puts the whole request into an empty buffer.
    pub fn write(&self, number: u64, request: &mut Vec<u8>) {
        let (Self { host, token, .. }, path, body) = (self, Self::PATH, Self::body(number));
        let written = write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\nidempotency-key: {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.key(number),
            body.len(),
        );
        debug_assert!(written.is_ok(), "memory takes all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_a_key_of_its_own_and_a_body_that_is_json() {
        let (one, other) = (CreateItems::new("h", "t"), CreateItems::new("h", "t"));
        assert_ne!(one.key(1), one.key(2));
        assert_ne!(one.key(1), other.key(1));
        let body: serde_json::Value = serde_json::from_str(&CreateItems::body(27)).unwrap();
        assert_eq!(body["tags"][1], "tag-7");
    }
}
