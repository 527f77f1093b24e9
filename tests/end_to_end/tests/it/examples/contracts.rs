//! docs/contracts.md: the lines of an import, and of its answer.

use crate::long::is_left_out;
use depot_end_to_end::Depot;
use depot_service::auth::Role;

use super::page::{Block, marked};

const PAGE: &str = "docs/contracts.md";

/// Whether a line is as the page has it, where `…` stands for whatever there is.
fn is_shown(line: &str, shown: &str) -> bool {
    let mut rest = line;
    let parts = shown.split('…').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    });
    parts && (rest.is_empty() || shown.ends_with('…')) && shown.starts_with(&line[..1])
}

fn only(mark: &str) -> Block {
    let mut blocks = marked(PAGE, mark);
    assert_eq!(blocks.len(), 1, "{mark}");
    blocks.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_answered_as_the_page_shows() {
    if is_left_out("the examples of docs/contracts.md") {
        return;
    }
    let (lines, shown) = (only("tested: import"), only("tested: answer"));
    let depot = Depot::start().await.unwrap();
    let answer = reqwest::Client::new()
        .post(format!("{}/api/v1/items:import", depot.command_url()))
        .bearer_auth(depot.token("alice", Role::Writer))
        .header("Idempotency-Key", "an-import")
        .header("Content-Type", "application/x-ndjson")
        .body(lines.text)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let answer = answer.text().await.unwrap();
    let pairs: Vec<_> = answer.lines().zip(shown.text.lines()).collect();
    assert_eq!(
        (answer.lines().count(), shown.text.lines().count()),
        (pairs.len(), pairs.len()),
        "{answer}"
    );
    for (line, shown) in pairs {
        assert!(is_shown(line, shown), "{line}\nis shown as\n{shown}");
    }
}

#[test]
fn a_line_is_compared_part_by_part() {
    assert!(is_shown(r#"{"a":1,"b":2}"#, r#"{"a":1,…}"#));
    assert!(is_shown(r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#));
    for shown in [
        r#"{"a":2,…}"#,
        r#"{"b":2,…"a":1}"#,
        r#"{"a":1"#,
        r#""a":1,"b":2}"#,
    ] {
        assert!(!is_shown(r#"{"a":1,"b":2}"#, shown), "{shown}");
    }
}
