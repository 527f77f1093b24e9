use command_api::execution::idempotency;
use http::{HeaderMap, HeaderName, HeaderValue};

const NAME: HeaderName = HeaderName::from_static("idempotency-key");

/// The header as it comes from a client: what is a key is kept in a row and shown in logs.
pub fn idempotency_key(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let headers = HeaderMap::from_iter([(NAME, value)]);
    let Ok(key) = idempotency::key(&headers) else {
        return;
    };
    let key = key.expect("the header is there");
    assert!((1..=255).contains(&key.len()));
    assert!(key.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{key:?}");
    // The same key in its other form is the same.
    let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
    let quoted = HeaderValue::from_str(&quoted).expect("visible ASCII is a header's value");
    let again = idempotency::key(&HeaderMap::from_iter([(NAME, quoted)]));
    assert_eq!(again.ok().flatten(), Some(key));
}
