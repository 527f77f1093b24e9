use serde_json::{Map, Value, json};

/// Headers of answers: name, type, what it says, an example.
const ANSWERS: [(&str, &str, &str, &str); 17] = [
    (
        "Accept",
        "string",
        "The media types that are taken",
        "application/json",
    ),
    (
        "Accept-Patch",
        "string",
        "The media type of a patch that is taken",
        "application/merge-patch+json",
    ),
    (
        "Cache-Control",
        "string",
        "Whether and how long an answer may be kept",
        "private, no-cache",
    ),
    (
        "Content-Security-Policy",
        "string",
        "What the page may load: nothing of another host",
        "default-src 'none'; script-src 'self'",
    ),
    (
        "ETag",
        "string",
        "The version, as an entity tag for `If-Match` and `If-None-Match`",
        "\"3\"",
    ),
    (
        "Idempotency-Replayed",
        "string",
        "`true` on an answer that was kept from the first request with this key",
        "true",
    ),
    (
        "Link",
        "string",
        "The next page, as `rel=\"next\"`; absent on the last one",
        "</api/v1/items?limit=50&cursor=eyJ2IjoxfQ>; rel=\"next\"",
    ),
    (
        "Location",
        "string",
        "Where it is, absolute",
        "https://query.depot.example.org/api/v1/items/01936f0a-4a44-7dc1-8536-4204a80fe80e",
    ),
    (
        "Preference-Applied",
        "string",
        "The `Prefer` that was followed; absent where none was sent",
        "wait=5",
    ),
    (
        "RateLimit-Limit",
        "integer",
        "Requests a second that are granted in the long run",
        "200",
    ),
    ("RateLimit-Remaining", "integer", "Requests that are left: 0", "0"),
    (
        "RateLimit-Reset",
        "integer",
        "Seconds after which one request is granted again",
        "1",
    ),
    (
        "Retry-After",
        "integer",
        "Seconds after which a repeat is worth it",
        "1",
    ),
    (
        "Vary",
        "string",
        "Headers of the request by which the answer differs",
        "authorization, origin",
    ),
    (
        "WWW-Authenticate",
        "string",
        "How to be let in (RFC 6750)",
        "Bearer realm=\"depot\"",
    ),
    (
        "X-Accel-Buffering",
        "string",
        "`no`: a proxy is to pass the answer on as it comes, and not to collect it",
        "no",
    ),
    (
        "X-Request-Id",
        "string",
        "The request's name in the log: the caller's, if it sent a usable one",
        "01936f2b-3333-7a02-9f4e-5d1c8c2b7e90",
    ),
];

/// All headers of answers, as components of a document.
pub fn components() -> Map<String, Value> {
    let component = |(name, kind, description, example): (&str, &str, &str, &str)| {
        let example = match example.parse::<u64>() {
            Ok(number) if kind == "integer" => json!(number),
            _ => json!(example),
        };
        let header = json!({"description": description, "schema": {"type": kind}, "example": example});
        (name.to_owned(), header)
    };
    ANSWERS.into_iter().map(component).collect()
}

/// Parameters that every operation takes, as components of a document.
pub fn parameters() -> Value {
    json!({
        "traceparent": {
            "in": "header",
            "name": "traceparent",
            "required": false,
            "description": "The caller's trace (W3C Trace Context), which the request joins. One that is malformed is passed over.",
            "schema": {"type": "string"},
            "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
        "X-Request-Id": {
            "in": "header",
            "name": "X-Request-Id",
            "required": false,
            "description": "The request's name in the log, where it is short and plain; otherwise one is made.",
            "schema": {"type": "string"},
            "example": "01936f2b-3333-7a02-9f4e-5d1c8c2b7e90",
        },
    })
}
