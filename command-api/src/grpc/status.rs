//! The one place where a problem becomes a gRPC status.
//!
//! The reason is the name of the problem in upper snake case, so that both doors are branched on by the same words, and its
//! extensions are the metadata.

use std::{collections::HashMap, time::Duration};

use depot_grpc::status::DOMAIN;
use depot_service::{
    metrics::count_error,
    problem::{FieldFault, Problem, ProblemType, types},
    telemetry::current_trace_id,
};
use http::{
    HeaderName,
    header::{ETAG, RETRY_AFTER},
};
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::execution::{Answer, problems};

/// What the details of fields may have of a head, in which all of a status is: clients take 8 KiB of it, and as text it is a
/// third longer.
const ROOM_FOR_FIELDS: usize = 4_000;
/// In bytes, as the others.
const LONGEST_FIELD: usize = 200;
/// The list of types that are accepted is the longest that there is.
const LONGEST_TEXT: usize = 1_200;
const LONGEST_MESSAGE: usize = 500;

/// Codes of kinds that are not told by their HTTP status.
const OF_ITS_OWN: [(&ProblemType, Code); 5] = [
    (&problems::QUOTA_EXCEEDED, Code::ResourceExhausted),
    // Read it and decide again: https://google.aip.dev/154.
    (&problems::PRECONDITION_FAILED, Code::Aborted),
    (&problems::PRECONDITION_REQUIRED, Code::InvalidArgument),
    // Right in itself, and wrong for what is there.
    (&problems::IDEMPOTENCY_KEY_REUSED, Code::FailedPrecondition),
    // Two that met: the later one comes again in a moment, and is told the answer of the first.
    (&problems::REQUEST_IN_PROGRESS, Code::Aborted),
];

/// The status of a problem, whose pointers begin at the field `root`; empty for the message itself.
pub fn of(problem: &Problem, root: &str) -> Status {
    status(code(problem), problem, header_of(problem), root)
}

/// The caller's deadline has come: the problem `timeout`, which is UNAVAILABLE where it is this service that waits no longer.
pub fn too_late() -> Status {
    let problem = Problem::timeout();
    status(Code::DeadlineExceeded, &problem, header_of(&problem), "")
}

/// As [`of`], of a problem that was kept as an answer.
pub fn of_answer(answer: &Answer, root: &str) -> Status {
    match serde_json::from_slice::<Problem>(answer.body()) {
        Ok(problem) => status(
            code(&problem),
            &problem,
            |name| answer.header(name).map(str::to_owned),
            root,
        ),
        Err(error) => of(&Problem::internal(&error), root),
    }
}

fn header_of(problem: &Problem) -> impl Fn(&HeaderName) -> Option<String> {
    |name| {
        let mut headers = problem.headers();
        let found = headers.find(|(have, _)| *have == name);
        found.and_then(|(_, value)| value.to_str().ok().map(str::to_owned))
    }
}

fn status(
    code: Code,
    problem: &Problem,
    header: impl Fn(&HeaderName) -> Option<String>,
    root: &str,
) -> Status {
    match code {
        Code::Internal => count_error("grpc", "internal"),
        Code::Unavailable if problem.is(&types::UNAVAILABLE) => count_error("grpc", "unavailable"),
        _ => {}
    }
    let mut metadata: HashMap<String, String> = problem
        .extensions
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), figure(value)?)))
        .collect();
    // The number alone would not do once the database was set back.
    let version = header(&ETAG).map(|tag| tag.trim_matches('"').to_owned());
    metadata.extend(version.map(|version| ("version".to_owned(), version)));
    let trace_id = problem.trace_id.clone().or_else(current_trace_id);
    metadata.extend(trace_id.map(|id| ("trace_id".to_owned(), id)));
    let mut details = ErrorDetails::with_error_info(reason(problem), DOMAIN, metadata);
    if !problem.errors.is_empty() {
        details.set_bad_request(violations(&problem.errors, root));
    }
    let seconds = header(&RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    if let Some(seconds) = seconds {
        details.set_retry_info(Some(Duration::from_secs(seconds)));
    }
    let message = problem
        .detail
        .clone()
        .unwrap_or_else(|| problem.title.to_string());
    Status::with_error_details(code, short(&message, LONGEST_MESSAGE), details)
}

fn code(problem: &Problem) -> Code {
    let own = OF_ITS_OWN.iter().find(|(kind, _)| problem.is(kind));
    own.map_or_else(
        || match problem.status {
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 | 410 => Code::NotFound,
            409 => Code::FailedPrecondition,
            429 => Code::ResourceExhausted,
            400..500 => Code::InvalidArgument,
            503 => Code::Unavailable,
            _ => Code::Internal,
        },
        |(_, code)| *code,
    )
}

/// `ITEM_DELETED` of `/problems/item-deleted`.
fn reason(problem: &Problem) -> String {
    let name = problem.type_uri.rsplit('/').next().unwrap_or_default();
    name.replace('-', "_").to_ascii_uppercase()
}

/// What metadata can say of an extension.
fn figure(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As many as there is room for, one at least.
fn violations(faults: &[FieldFault], root: &str) -> Vec<FieldViolation> {
    let (mut told, mut left) = (Vec::new(), ROOM_FOR_FIELDS);
    for fault in faults {
        let field = short(&field(&fault.pointer, root), LONGEST_FIELD);
        let description = short(&fault.detail, LONGEST_TEXT);
        let takes = field.len() + description.len();
        if takes > left && !told.is_empty() {
            break;
        }
        left = left.saturating_sub(takes);
        told.push(FieldViolation::new(field, description));
    }
    told
}

/// The beginning of a text, of so many bytes at most.
fn short(text: &str, most: usize) -> String {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// `item.tags[0]` of `/tags/0`. What is no pointer names a field of the message, or metadata.
fn field(pointer: &str, root: &str) -> String {
    let Some(pointer) = pointer.strip_prefix('/') else {
        return pointer.to_ascii_lowercase();
    };
    let mut path = root.to_owned();
    for segment in pointer.split('/') {
        let is_index = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        if is_index && !path.is_empty() {
            path.push_str(&format!("[{segment}]"));
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&segment.replace("~1", "/").replace("~0", "~"));
    }
    path
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_problem_says_the_same_as_a_status() {
        let problem = Problem::of(&problems::ITEM_DELETED)
            .with_detail("Item 7 is deleted.")
            .with_extension("version", 3)
            .with_header(ETAG, HeaderValue::from_static("\"2.3\""));
        let status = of(&problem, "");
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "Item 7 is deleted.")
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("ITEM_DELETED", "depot")
        );
        assert_eq!(info.metadata["version"], "2.3");
        assert!(status.get_details_retry_info().is_none());
        // Kept, and told again.
        let kept = of_answer(&Answer::problem(problem, "/there"), "");
        assert_eq!(kept.code(), status.code());
        assert_eq!(kept.get_details_error_info().unwrap().metadata["version"], "2.3");
    }

    #[test]
    fn what_passes_says_when_to_come_again() {
        for problem in [
            Problem::overloaded(),
            Problem::timeout(),
            Problem::of(&problems::BUSY).with_retry_after(1),
            Problem::of(&problems::REQUEST_IN_PROGRESS).with_retry_after(1),
        ] {
            let retry = of(&problem, "").get_details_retry_info();
            assert_eq!(
                retry.and_then(|retry| retry.retry_delay),
                Some(Duration::from_secs(1)),
                "{problem:?}"
            );
        }
    }

    #[test]
    fn every_kind_of_problem_has_a_code_that_says_who_is_to_act() {
        for kind in problems::ALL.iter().chain(types::GENERAL) {
            let code = code(&Problem::of(kind));
            let is_ours = matches!(code, Code::Internal | Code::Unavailable);
            assert_eq!(is_ours, kind.status >= 500, "{}: {code:?}", kind.name);
        }
    }

    #[test]
    fn what_a_caller_can_make_long_stays_within_a_head() {
        for long in ["x", "é", "€", "🚲"] {
            let faults = (0..1_000).map(|n| FieldFault::new(format!("/tags/{n}"), long.repeat(3_000)));
            let problem = Problem::validation_failed(faults).with_detail(long.repeat(3_000));
            let status = of(&problem, "item");
            let told = status.get_details_bad_request().unwrap().field_violations.len();
            assert!(told > 1, "{long}: {told}");
            let length = status.details().len() + status.message().len();
            assert!(length < 6_000, "{long}: {length}");
        }
    }

    #[test]
    fn pointers_are_paths_of_fields() {
        assert_eq!(field("/tags/0", "item"), "item.tags[0]");
        assert_eq!(field("/attributes/a~1b/0", "item"), "item.attributes.a/b[0]");
        assert_eq!(field("/item_id", ""), "item_id");
        assert_eq!(field("expected_version", "item"), "expected_version");
        assert_eq!(field("Idempotency-Key", ""), "idempotency-key");
    }
}
