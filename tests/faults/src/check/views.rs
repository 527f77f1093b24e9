//! The views, the state that commands decide on, and the cache, against what the log says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Counter, Evidence, Verdict};

const ITEMS: &str = "depot.items.v1";
const UPLOADS: &str = "depot.uploads.v1";
const ITEM_FIELDS: [&str; 9] = [
    "owner",
    "name",
    "description",
    "tags",
    "attributes",
    "status",
    "files",
    "version",
    "deleted",
];
const UPLOAD_FIELDS: [&str; 11] = [
    "item_id",
    "owner",
    "file_name",
    "content_type",
    "size_bytes",
    "sha256",
    "status",
    "reason",
    "object_key",
    "thumbnail",
    "version",
];

pub fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let states = |topic, name: &str| -> BTreeMap<String, Value> {
        let newest = evidence.newest(topic);
        newest
            .iter()
            .map(|(key, event)| ((*key).to_owned(), event.data()[name].take()))
            .collect()
    };
    let (items, uploads) = (states(ITEMS, "item"), states(UPLOADS, "upload"));
    rows_are(
        "view of item",
        &items,
        &evidence.rows["item views"],
        &ITEM_FIELDS,
        Counter::Diverged,
        verdict,
    );
    rows_are(
        "view of upload",
        &uploads,
        &evidence.rows["upload views"],
        &UPLOAD_FIELDS,
        Counter::Diverged,
        verdict,
    );
    // What was committed and never came to Kafka.
    rows_are(
        "item",
        &items,
        &evidence.rows["items"],
        &["version", "deleted", "files"],
        Counter::Lost,
        verdict,
    );
    rows_are(
        "upload",
        &uploads,
        &evidence.rows["uploads"],
        &["version", "status", "object_key", "thumbnail"],
        Counter::Lost,
        verdict,
    );
    history(evidence, verdict);
    statistics(evidence, &items, verdict);
    cache(evidence, verdict);
}

fn rows_are(
    what: &str,
    states: &BTreeMap<String, Value>,
    rows: &[Value],
    fields: &[&str],
    counter: Counter,
    verdict: &mut Verdict,
) {
    let mut missing: BTreeSet<&str> = states.keys().map(String::as_str).collect();
    for row in rows {
        let id = row["id"].as_str().unwrap_or_default();
        missing.remove(id);
        let Some(state) = states.get(id) else {
            verdict.find(counter, format!("{what} {id}: the log has nothing of it"));
            continue;
        };
        for field in fields {
            // A deleted item's row is a tombstone: of its content nothing is promised.
            if row["deleted"] == true && !["version", "deleted"].contains(field) {
                continue;
            }
            if row[field] != state[field] {
                verdict.find(
                    counter,
                    format!(
                        "{what} {id}: {field} is {}, by the log {}",
                        row[field], state[field]
                    ),
                );
                break;
            }
        }
    }
    for id in missing {
        verdict.find(counter, format!("{what} {id} is missing"));
    }
}

/// One row a version, in order, each the event that has that version.
fn history(evidence: &Evidence, verdict: &mut Verdict) {
    let mut expected: BTreeMap<(&str, i64), &str> = BTreeMap::new();
    for event in evidence.events.iter().filter(|event| event.topic == ITEMS) {
        expected.entry((&event.key, event.version)).or_insert(&event.id);
    }
    let mut newest: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for row in &evidence.rows["history views"] {
        let item = row["item_id"].as_str().unwrap_or_default();
        let number = |name: &str| row[name].as_i64().unwrap_or_default();
        let (version, offset) = (number("version"), number("offset"));
        if expected.remove(&(item, version)) != row["event_id"].as_str() {
            verdict.find(
                Counter::Diverged,
                format!("history of {item}: version {version} is no event of the log, or twice"),
            );
        }
        let before = newest.insert(item, (version, offset));
        if before.is_some_and(|(_, before)| before >= offset) {
            verdict.find(
                Counter::Reordered,
                format!("history of {item}: version {version} comes from before its predecessor"),
            );
        }
    }
    for (item, version) in expected.keys() {
        verdict.find(
            Counter::Diverged,
            format!("history of {item}: version {version} is missing"),
        );
    }
}

fn statistics(evidence: &Evidence, items: &BTreeMap<String, Value>, verdict: &mut Verdict) {
    let (mut tags, mut owners) = (
        BTreeMap::<String, i64>::new(),
        BTreeMap::<String, [i64; 3]>::new(),
    );
    for item in items.values().filter(|item| item["deleted"] == false) {
        for tag in item["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            *tags.entry(tag.to_owned()).or_default() += 1;
        }
        let files = item["files"].as_array().map_or(&[][..], Vec::as_slice);
        let bytes: i64 = files.iter().filter_map(|file| file["size_bytes"].as_i64()).sum();
        let sums = owners
            .entry(item["owner"].as_str().unwrap_or_default().to_owned())
            .or_default();
        *sums = [sums[0] + 1, sums[1] + files.len() as i64, sums[2] + bytes];
    }
    for row in &evidence.rows["tag statistics"] {
        let (tag, shown) = (
            row["tag"].as_str().unwrap_or_default(),
            row["items"].as_i64().unwrap_or_default(),
        );
        let counted = tags.remove(tag).unwrap_or_default();
        if shown != counted {
            verdict.find(
                Counter::Diverged,
                format!("statistics of tag {tag}: {shown} items, by the log {counted}"),
            );
        }
    }
    for row in &evidence.rows["owner statistics"] {
        let owner = row["owner"].as_str().unwrap_or_default();
        let shown = ["items", "files", "file_bytes"].map(|name| row[name].as_i64().unwrap_or_default());
        let counted = owners.remove(owner).unwrap_or_default();
        if shown != counted {
            verdict.find(
                Counter::Diverged,
                format!("statistics of {owner}: {shown:?}, by the log {counted:?}"),
            );
        }
    }
    for (name, _) in tags {
        verdict.find(Counter::Diverged, format!("statistics of tag {name} are missing"));
    }
    for (name, _) in owners {
        verdict.find(Counter::Diverged, format!("statistics of {name} are missing"));
    }
}

/// An entry is as new as its view; one that is not there counts as equal.
fn cache(evidence: &Evidence, verdict: &mut Verdict) {
    let versions = |name| -> BTreeMap<&str, i64> {
        let rows: &Vec<Value> = &evidence.rows[name];
        rows.iter()
            .map(|row| {
                (
                    row["id"].as_str().unwrap_or_default(),
                    row["version"].as_i64().unwrap_or_default(),
                )
            })
            .collect()
    };
    let (items, uploads) = (versions("item views"), versions("upload views"));
    for (key, line) in &evidence.cache {
        let mut parts = key.split(':');
        let views = if parts.next() == Some("item") {
            &items
        } else {
            &uploads
        };
        let id = parts.next_back().unwrap_or_default();
        let cached: Option<i64> = line.split(' ').nth(1).and_then(|version| version.parse().ok());
        if cached != views.get(id).copied() {
            verdict.find(
                Counter::Diverged,
                format!(
                    "cache entry {key} has version {cached:?}, its view {:?}",
                    views.get(id)
                ),
            );
        }
    }
}
