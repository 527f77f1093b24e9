//! Effects in the log, against the commands that may have caused them: each once, and none of one that was refused.

use std::collections::HashMap;

use super::{
    Counter, Evidence, Verdict,
    first::{First, ITEMS, UPLOADS},
};
use crate::history::{Kind, Operation, Outcome};

pub fn check(evidence: &Evidence, first: &First<'_>, operations: &[Operation], verdict: &mut Verdict) {
    one_effect_a_command(evidence, verdict);
    markers(first, operations, verdict);
}

/// Two different events of one cause on one aggregate. A removal is asked for as often as a stored file is reported to a
/// saga that has ended, so those are left out; and facts are told again whenever somebody asks.
fn one_effect_a_command(evidence: &Evidence, verdict: &mut Verdict) {
    let mut effects: HashMap<(&str, &str, &str), &str> = HashMap::new();
    for event in &evidence.events {
        if event.topic != ITEMS && (event.topic != UPLOADS || event.event_type.contains("removal_requested"))
        {
            continue;
        }
        let of = (event.topic.as_str(), event.key.as_str(), event.causation.as_str());
        let id = *effects.entry(of).or_insert(&event.id);
        if id != event.id {
            let what = format!(
                "command {} changed {} twice: events {id} and {}",
                event.causation, event.key, event.id
            );
            verdict.find(Counter::Duplicated, what);
        }
    }
}

/// Where a marker was written: aggregate and version.
type Written<'a> = HashMap<&'a str, Vec<(&'a str, i64)>>;

fn written<'a>(first: &'a First<'_>) -> Written<'a> {
    let mut written = Written::new();
    for (event, data) in first.all() {
        let changed = data["changed"].as_array().into_iter().flatten();
        let is_new = event.version == 1 || changed.into_iter().any(|name| name == "description");
        let marker = match event.topic.as_str() {
            ITEMS if is_new && !event.event_type.contains("deleted") => &data["item"]["description"],
            UPLOADS if event.version == 1 => &data["upload"]["file_name"],
            _ => continue,
        };
        if let Some(marker) = marker.as_str() {
            let at = (event.key.as_str(), event.version);
            written.entry(marker).or_default().push(at);
        }
    }
    written
}

/// A marker is written by one command: it is where the command put it, once, and nowhere if it was refused.
fn markers(first: &First<'_>, operations: &[Operation], verdict: &mut Verdict) {
    let written = written(first);
    let (mut with_version, mut without_key) = (0, 0);
    for operation in operations {
        let Some(marker) = &operation.marker else { continue };
        let effects = written.get(marker.as_str()).map_or(&[][..], Vec::as_slice);
        let what = format!("{:?} {marker}", operation.kind);
        if effects.len() > 1 {
            let what = format!("{what} is there {} times: {effects:?}", effects.len());
            verdict.find(Counter::Duplicated, what);
        }
        if matches!(operation.outcome, Outcome::Failed { .. }) && !effects.is_empty() {
            let what = format!("{what} was refused, and is there: {effects:?}");
            verdict.find(Counter::Duplicated, what);
        }
        if operation.is_ok() && effects.is_empty() {
            let what = format!("{what} of item {:?} is nowhere", operation.item);
            verdict.find(Counter::Lost, what);
        }
        without_key += usize::from(operation.kind == Kind::Update && operation.key.is_none());
        let Some(known) = operation.known else { continue };
        with_version += effects.len();
        // Whether or not its client was told: what it did not know of is overwritten.
        for (item, version) in effects.iter().filter(|(_, version)| *version != known + 1) {
            let what = format!("{what} of item {item} was for version {known} and became version {version}");
            verdict.find(Counter::Lost, format!("{what}: what lies between is overwritten"));
        }
    }
    verdict.has_read("changes of a known version", with_version);
    verdict.has_read("changes without a key", without_key);
}
