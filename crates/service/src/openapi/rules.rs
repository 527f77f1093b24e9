//! What follows from an operation's shape.

use serde_json::Value;

/// What of its shape decides.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    needs_token: bool,
    /// Whether a parameter is in the path or the query.
    has_parameters: bool,
    is_write: bool,
    is_patch: bool,
    has_json: bool,
    /// Whether its body is read at once: JSON, or what is only compared with a repeat's.
    reads_body: bool,
    key: Sent,
    precondition: Sent,
    preference: Sent,
}

/// Whether a header is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    No,
    MayBe,
    HasToBe,
}

impl Shape {
    pub fn of(operation: &Value, method: &str, needs_token: bool) -> Self {
        let parameters = || operation["parameters"].as_array().into_iter().flatten();
        let header = |name: &str| {
            let found =
                parameters().find(|parameter| parameter["in"] == "header" && parameter["name"] == name);
            match found {
                None => Sent::No,
                Some(parameter) if parameter["required"] == true => Sent::HasToBe,
                Some(_) => Sent::MayBe,
            }
        };
        let content = &operation["requestBody"]["content"];
        let has_json =
            content["application/json"].is_object() || content["application/merge-patch+json"].is_object();
        let key = header("Idempotency-Key");
        let streams = ["application/octet-stream", crate::ndjson::MEDIA_TYPE];
        let is_stream = streams.iter().any(|media_type| content[*media_type].is_object());
        Self {
            needs_token,
            has_parameters: parameters().any(|parameter| parameter["in"] != "header"),
            is_write: needs_token && method != "get",
            is_patch: method == "patch",
            has_json,
            reads_body: has_json || (key != Sent::No && !is_stream),
            key,
            precondition: header("If-Match"),
            preference: header("Prefer"),
        }
    }

    /// Names of the types of problems.
    pub fn problems(self) -> Vec<&'static str> {
        let rules: [(bool, &[&str]); 9] = [
            (true, &["internal", "overloaded", "timeout"]),
            (
                self.needs_token,
                &["unauthorized", "forbidden", "too-many-requests", "unavailable"],
            ),
            (self.has_parameters, &["invalid-parameter"]),
            // Every write reads both headers, also where it does without.
            (self.is_write, &["invalid-header"]),
            (self.reads_body, &["bad-request", "payload-too-large"]),
            (
                self.has_json,
                &["malformed-json", "unsupported-media-type", "validation-failed"],
            ),
            (
                self.key != Sent::No,
                &["request-in-progress", "idempotency-key-reused"],
            ),
            (self.precondition != Sent::No, &["precondition-failed"]),
            (self.precondition == Sent::HasToBe, &["precondition-required"]),
        ];
        let mut problems: Vec<_> = rules
            .into_iter()
            .filter(|(applies, _)| *applies)
            .flat_map(|(_, problems)| problems.iter().copied())
            .collect();
        if self.key == Sent::HasToBe {
            problems.push("idempotency-key-missing");
        }
        problems
    }

    /// Names of the headers of an answer with that status, which is one of these problems or none.
    pub fn headers(self, status: &str, problems: &[String]) -> Vec<&'static str> {
        let is_one_of = |names: &[&str]| problems.iter().any(|problem| names.contains(&problem.as_str()));
        // What the domain decided is kept under the key, whatever it was.
        let is_kept = status.starts_with('2') || ["404", "409", "410", "412", "422"].contains(&status);
        let rules: [(bool, &[&str]); 8] = [
            (true, &["X-Request-Id"]),
            (["401", "403"].contains(&status), &["WWW-Authenticate"]),
            (
                status == "429",
                &[
                    "Retry-After",
                    "RateLimit-Limit",
                    "RateLimit-Remaining",
                    "RateLimit-Reset",
                ],
            ),
            (
                status == "503" || is_one_of(&["request-in-progress"]),
                &["Retry-After"],
            ),
            (
                status == "415",
                if self.is_patch {
                    &["Accept-Patch"]
                } else {
                    &["Accept"]
                },
            ),
            (
                is_one_of(&[
                    "item-deleted",
                    "precondition-failed",
                    "upload-ended",
                    "upload-takes-no-bytes",
                ]),
                &["ETag"],
            ),
            (self.key != Sent::No && is_kept, &["Idempotency-Replayed"]),
            // Also where the answer is a problem, but for who is not let in.
            (
                self.preference != Sent::No && !["401", "429"].contains(&status),
                &["Preference-Applied"],
            ),
        ];
        let applying = rules.into_iter().filter(|(applies, _)| *applies);
        applying
            .flat_map(|(_, headers)| headers.iter().copied())
            .collect()
    }
}
