//! What was found, for people and for programs.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Report, Traced,
    hop::{Hop, NotSeen},
    moment,
};
use crate::operator::table;

/// One table for each thing that the id names, and the verdict under it.
pub fn text(report: &Report, now: OffsetDateTime) -> String {
    let mut text = String::new();
    for traced in &report.traced {
        text.push_str(&format!("{}\n\n", traced.subject.title));
        let rows = traced.hops.iter().map(|hop| row(hop, now));
        text.push_str(&table(["HOP", "STATE", "SINCE", "DETAIL"], rows));
        text.push_str(&format!("\n{}\n", one_line(&traced.verdict.text)));
    }
    for NotSeen(why) in &report.not_seen {
        text.push_str(&format!("not looked at: {}\n", one_line(why)));
    }
    if report.traced.is_empty() {
        let answer = match report.not_seen.is_empty() {
            true => "nothing here has this id",
            false => "nothing that was looked at has this id",
        };
        text.push_str(&format!("{}: {answer}\n", one_line(&report.id)));
    }
    text
}

fn row(hop: &Hop, now: OffsetDateTime) -> [String; 4] {
    let since = hop
        .since
        .map_or_else(|| "-".to_owned(), |at| moment::with_age(at, now));
    [
        hop.name.clone(),
        hop.state.as_text().to_owned(),
        since,
        one_line(&hop.detail),
    ]
}

/// A row is a line, whatever a message or a store said.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

pub fn json(report: &Report, exit_code: u8) -> Value {
    let found: Vec<Value> = report.traced.iter().map(of_traced).collect();
    let not_seen: Vec<&str> = report.not_seen.iter().map(|NotSeen(why)| &**why).collect();
    json!({
        "id": report.id,
        "found": found,
        "not_looked_at": not_seen,
        "exit_code": exit_code,
    })
}

fn of_traced(traced: &Traced) -> Value {
    let subject = &traced.subject;
    let hops: Vec<Value> = traced.hops.iter().map(Hop::to_json).collect();
    json!({
        "kind": subject.kind,
        "title": subject.title,
        "about": subject.about.map(|(kind, id)| json!({"kind": kind.as_str(), "id": id})),
        "version": subject.followed.as_ref().map(|followed| followed.version),
        "hops": hops,
        "verdict": traced.verdict.to_json(),
    })
}
