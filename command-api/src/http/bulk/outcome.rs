use depot_service::problem::Problem;
use http::{
    HeaderName,
    header::{ETAG, RETRY_AFTER},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::{
    answer::{Answer, REPLAYED},
    items::ItemBody,
};

/// What became of a line: the item, or the problem, as the line would have been answered alone.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OutcomeBody {
    /// From 1: the place in `items`, or the number of the line, blank ones counted.
    #[schema(minimum = 1)]
    pub line: u64,
    /// That of the answer which the line would have got alone: 201 where the item is there.
    pub status: u16,
    /// The item's version as an entity tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub etag: Option<String>,
    /// True where this is what was answered to the line before, under its key.
    #[serde(skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// Seconds after which the line is worth sending again, with the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ItemBody>, nullable = false)]
    pub item: Option<Box<RawValue>>,
    /// Its pointers begin at the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Problem>, nullable = false)]
    pub problem: Option<Box<RawValue>>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl OutcomeBody {
    /// Of the answer that the line would have got alone.
    pub fn new(line: u64, answer: &Answer) -> Self {
        let status = answer.status().unsigned_abs();
        let header = |name: HeaderName| answer.header(&name).map(str::to_owned);
        // What was made as JSON is JSON.
        let body = serde_json::from_slice::<Box<RawValue>>(answer.body()).ok();
        let is_done = (200..300).contains(&status);
        let (item, problem) = if is_done { (body, None) } else { (None, body) };
        Self {
            line,
            status,
            etag: header(ETAG),
            replayed: header(REPLAYED).is_some(),
            retry_after: header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()),
            item,
            problem,
        }
    }

    /// Whether the item is there.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outcome_says_what_the_answer_says() {
        let answer = Answer::json(StatusCode::CREATED, &json!({"id": 7}))
            .with(ETAG, "\"1\"")
            .with(REPLAYED, "true");
        let outcome = OutcomeBody::new(3, &answer);
        assert!(outcome.is_done());
        assert_eq!(
            serde_json::to_value(outcome).unwrap(),
            json!({"line": 3, "status": 201, "etag": "\"1\"", "replayed": true, "item": {"id": 7}})
        );
        let refused = Answer::problem(Problem::overloaded(), "/here");
        let outcome = OutcomeBody::new(4, &refused);
        assert!(!outcome.is_done());
        let outcome = serde_json::to_value(outcome).unwrap();
        assert_eq!(
            (&outcome["status"], &outcome["retry_after"]),
            (&json!(503), &json!(1))
        );
        assert_eq!(outcome["problem"]["instance"], "/here");
        assert_eq!((outcome.get("item"), outcome.get("replayed")), (None, None));
    }
}
