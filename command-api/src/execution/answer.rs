use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use depot_service::{problem::Problem, telemetry::current_trace_id};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::Serialize;
use serde_json::Value;

use crate::store::idempotency::KeptAnswer;

/// Marks an answer that was kept from an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer with its bytes: what can be kept and given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

impl Answer {
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self {
                status,
                headers: Vec::new(),
                body,
            }
            .with(CONTENT_TYPE, "application/json"),
            Err(error) => Self::problem(Problem::internal(&error), ""),
        }
    }

    /// A message of gRPC, as its bytes: what is kept is what was sent.
    pub fn message(message: &impl prost::Message) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: message.encode_to_vec(),
        }
        .with(CONTENT_TYPE, "application/protobuf")
    }

    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A problem, with what the layers would fill in: a repeat is to have the same bytes.
    pub fn problem(problem: Problem, instance: &str) -> Self {
        let mut problem = problem.with_instance(instance);
        if let Some(trace_id) = current_trace_id() {
            problem = problem.with_extension("trace_id", trace_id);
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = problem
            .headers()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Self {
            status,
            headers,
            body: problem.to_json(),
        }
        .with(CONTENT_TYPE, depot_service::problem::MEDIA_TYPE)
        .with(CACHE_CONTROL, "no-store")
    }

    /// Adds a header. A value that no header can carry is left out.
    pub fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        self.headers
            .extend(HeaderValue::from_str(value.as_ref()).map(|value| (name, value)));
        self
    }

    pub fn status(&self) -> i16 {
        // A status has three digits.
        self.status.as_u16() as i16
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The value of a header, if there is one that is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have == name);
        found.and_then(|(_, value)| value.to_str().ok())
    }

    /// `[[name, value], …]`
    pub fn headers(&self) -> Value {
        let pair = |(name, value): &(HeaderName, HeaderValue)| {
            Value::from(vec![name.as_str(), value.to_str().unwrap_or_default()])
        };
        self.headers.iter().map(pair).collect()
    }

    /// An answer given again.
    pub fn replay(kept: KeptAnswer) -> Self {
        let status = u16::try_from(kept.status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok());
        let pairs: Vec<(String, String)> = serde_json::from_value(kept.headers).unwrap_or_default();
        let headers = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_str(&value).ok()?)));
        Self {
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: headers.collect(),
            body: kept.body,
        }
        .with(REPLAYED, "true")
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ETAG, LOCATION};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replayed_answer_is_the_first_one_and_a_mark() {
        let first = Answer::json(StatusCode::CREATED, &json!({"a": 1}))
            .with(ETAG, "\"1\"")
            .with(LOCATION, "http://query/api/v1/items/1");
        let kept = KeptAnswer {
            fingerprint: vec![],
            expired: false,
            status: first.status(),
            headers: first.headers(),
            body: first.body().to_vec(),
        };
        assert_eq!(Answer::replay(kept), first.with(REPLAYED, "true"));
    }
}
