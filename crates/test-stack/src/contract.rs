use std::{fs, path::PathBuf};

use serde_json::Value;

/// What every answer has, whatever it is about.
const EVERYWHERE: [&str; 2] = ["Cache-Control", "Vary"];

/// The committed OpenAPI document of an API, to which a test's client holds each answer that it gets.
#[derive(Debug)]
pub struct Contract(Value);

/// An answer as a client has it.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    pub method: &'a str,
    /// With the query, if there was one.
    pub path: &'a str,
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

impl Contract {
    /// The document of `command-api` or `query-api`.
    pub fn of(api: &str) -> Self {
        let file =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/openapi/{api}.json"));
        let text = fs::read_to_string(&file).expect("the committed document");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// What of an answer the document does not say; none if it says all, or if it has no such operation.
    pub fn fault(&self, answered: Answered<'_>) -> Option<String> {
        let operation = self.operation(answered.method, answered.path)?;
        let name = operation["operationId"].as_str().unwrap_or_default();
        let response = &operation["responses"][answered.status.to_string()];
        if response.is_null() {
            return Some(format!(
                "{name} answers {}, which is not documented",
                answered.status
            ));
        }
        let fault =
            undocumented_problem(response, answered).or_else(|| self.undocumented_header(response, answered));
        fault.map(|what| {
            format!(
                "{name} answers {} with {what}, which is not documented",
                answered.status
            )
        })
    }

    /// The operation of a path; of several that fit, the one with most that is written out.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap_or_default();
        let paths = self.0["paths"].as_object()?.iter();
        let fitting = paths.filter_map(|(template, item)| Some((fit(template, path)?, item)));
        let (_, item) = fitting.max_by_key(|(written_out, _)| *written_out)?;
        item.get(method.to_ascii_lowercase())
    }

    fn undocumented_header(&self, response: &Value, answered: Answered<'_>) -> Option<String> {
        let known = self.0["components"]["headers"].as_object()?.keys();
        let mut telling = known.filter(|name| !EVERYWHERE.contains(&name.as_str()));
        let undocumented = telling.find(|name| {
            let is_answered = answered
                .headers
                .iter()
                .any(|(have, _)| have.eq_ignore_ascii_case(name));
            is_answered && response["headers"][name.as_str()].is_null()
        });
        undocumented.map(|name| format!("the header {name}"))
    }
}

fn undocumented_problem(response: &Value, answered: Answered<'_>) -> Option<String> {
    let is_problem =
        |(name, value): &(String, String)| name == "content-type" && value == "application/problem+json";
    if !answered.headers.iter().any(is_problem) {
        return None;
    }
    let problem: Value = serde_json::from_slice(answered.body).ok()?;
    let name = problem["type"].as_str()?.strip_prefix("/problems/")?;
    let documented = &response["content"]["application/problem+json"]["examples"][name];
    documented.is_null().then(|| format!("the problem {name}"))
}

/// How many segments of the template are written out, if the path fits it.
fn fit(template: &str, path: &str) -> Option<usize> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut written_out = 0;
    for (expected, found) in template.iter().zip(&path) {
        if expected == found {
            written_out += 1;
        } else if !expected.starts_with('{') || found.is_empty() {
            return None;
        }
    }
    Some(written_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(method: &str, path: &str, status: u16, problem: &str, header: &str) -> Option<String> {
        let headers = [
            ("content-type".to_owned(), "application/problem+json".to_owned()),
            (header.to_owned(), "1".to_owned()),
        ];
        let body = format!(r#"{{"type": "/problems/{problem}", "status": {status}}}"#);
        let answered = Answered {
            method,
            path,
            status,
            headers: &headers,
            body: body.as_bytes(),
        };
        Contract::of("command-api").fault(answered)
    }

    #[test]
    fn what_no_document_says_is_told() {
        let path = "/api/v1/items/7?a=1";
        assert_eq!(fault("PUT", path, 404, "item-not-found", "x-request-id"), None);
        let undocumented = " answers 418, which is not documented";
        assert!(
            fault("PUT", path, 418, "teapot", "x")
                .unwrap()
                .ends_with(undocumented)
        );
        let problem = fault("PUT", path, 404, "saga-not-found", "x").unwrap();
        assert!(problem.contains("the problem saga-not-found"), "{problem}");
        let header = fault("PUT", path, 404, "item-not-found", "retry-after").unwrap();
        assert!(header.contains("the header Retry-After"), "{header}");
        // What has no operation is documented by nobody: another method, another path.
        assert_eq!(fault("POST", path, 405, "method-not-allowed", "allow"), None);
        assert_eq!(fault("GET", "/nowhere", 404, "not-found", "x"), None);
    }

    #[test]
    fn the_most_exact_path_is_meant() {
        assert_eq!(fit("/a/{b}", "/a/b"), Some(2));
        assert!(
            fit("/api/v1/admin/dlq/redrive", "/api/v1/admin/dlq/redrive")
                > fit("/api/v1/admin/dlq/{x}", "/api/v1/admin/dlq/redrive")
        );
        assert_eq!(fit("/a/{b}", "/a/b/c"), None);
        assert_eq!(fit("/a/{b}", "/c/b"), None);
    }
}
