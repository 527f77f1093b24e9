use depot_service::problem::{FieldFault, Problem};
use http::header::ACCEPT;

/// A client's own words in the answer that refuses them: what is sent is a document, and says them back.
pub fn problem(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let faults = rest.lines().map(|line| FieldFault::new(format!("/{line}"), line));
    let problems = [
        Problem::validation_failed(faults).with_instance(first),
        Problem::invalid_parameter(first, rest),
        Problem::invalid_header(first, rest),
        Problem::unsupported_media_type(first, ACCEPT, "application/json"),
        Problem::not_found(first).with_extension("member", rest),
        Problem::too_many_requests(first, 7, rest.len() as u64),
    ];
    for problem in problems {
        let detail = problem.detail.clone();
        let (json, status) = (problem.to_json(), problem.status);
        let read: serde_json::Value = serde_json::from_slice(&json).expect("a problem is JSON");
        assert_eq!(read["status"], status);
        assert_eq!(read["detail"].as_str(), detail.as_deref());
        assert!((400..=499).contains(&status));
        assert!(
            read["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("/problems/"))
        );
        for (name, value) in problem.headers() {
            assert!(!value.as_bytes().contains(&b'\n'), "{name}");
        }
    }
}
