//! How uploads end: each in one way, and in the one that its client was told of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{
    Counter, Evidence, Verdict,
    first::{FILES, First, ITEMS, UPLOADS},
};
use crate::history::{Kind, Operation};

pub fn check(evidence: &Evidence, first: &First<'_>, operations: &[Operation], verdict: &mut Verdict) {
    one_end(first, verdict);
    one_fact(first, verdict);
    aborted(evidence, operations, verdict);
    completed(evidence, operations, verdict);
    let sent = |kind| operations.iter().filter(|o| o.kind == kind && o.is_ok()).count();
    verdict.has_read("files in parts", sent(Kind::SendParts));
    verdict.has_read("files through the API", sent(Kind::SendThrough));
    attached(evidence, verdict);
}

/// One that has ended stays as it is; only what was stored may be removed.
fn one_end(first: &First<'_>, verdict: &mut Verdict) {
    for (upload, life) in first.lives(UPLOADS) {
        let statuses: Vec<&str> = life
            .iter()
            .filter_map(|data| data["upload"]["status"].as_str())
            .collect();
        let may_follow = |before: &str, after: &str| match before {
            "pending" => true,
            "received" => after != "pending" && after != "expired",
            "stored" => ["stored", "removed"].contains(&after),
            ended => ended == after,
        };
        let is_well = statuses.first() == Some(&"pending")
            && statuses.windows(2).all(|pair| may_follow(pair[0], pair[1]));
        if !is_well {
            verdict.find(
                Counter::Stuck,
                format!(
                    "upload {upload} has no single outcome: it was {}",
                    statuses.join(", ")
                ),
            );
        }
    }
}

/// The same of what the uploader says: it never stores what it rejected, and nothing comes after a removal.
fn one_fact(first: &First<'_>, verdict: &mut Verdict) {
    for (upload, life) in first.lives(FILES) {
        let outcomes: Vec<&str> = life
            .iter()
            .filter_map(|data| data["file"]["outcome"].as_str())
            .collect();
        let may_follow = |before: &str, after: &str| before == after || after == "removed";
        if !outcomes.windows(2).all(|pair| may_follow(pair[0], pair[1])) {
            verdict.find(
                Counter::Stuck,
                format!(
                    "file of upload {upload} has no single outcome: it was {}",
                    outcomes.join(", ")
                ),
            );
        }
    }
}

fn statuses(evidence: &Evidence) -> BTreeMap<String, String> {
    let newest = evidence.newest(UPLOADS);
    let status = |data: Value| data["upload"]["status"].as_str().unwrap_or_default().to_owned();
    newest
        .iter()
        .map(|(id, event)| ((*id).to_owned(), status(event.data())))
        .collect()
}

/// One that was given up has ended, and is not stored.
fn aborted(evidence: &Evidence, operations: &[Operation], verdict: &mut Verdict) {
    let statuses = statuses(evidence);
    let aborts = operations.iter().filter(|o| o.kind == Kind::Abort && o.is_ok());
    let mut count = 0;
    for upload in aborts.filter_map(|operation| operation.upload) {
        count += 1;
        let status = statuses
            .get(&upload.to_string())
            .map_or("nowhere", String::as_str);
        if !["aborted", "removed"].contains(&status) {
            verdict.find(
                Counter::Lost,
                format!("upload {upload} was given up, and ended as {status}"),
            );
        }
    }
    verdict.has_read("uploads given up", count);
}

/// One whose bytes were there when it was completed is stored, unless somebody took it away.
fn completed(evidence: &Evidence, operations: &[Operation], verdict: &mut Verdict) {
    let statuses = statuses(evidence);
    let of = |kind, id: fn(&Operation) -> Option<Uuid>| -> BTreeSet<Uuid> {
        let found = operations.iter().filter(|operation| operation.kind == kind);
        found
            .filter(|operation| operation.may_have_happened())
            .filter_map(id)
            .collect()
    };
    let (deleted, aborted) = (of(Kind::Delete, |o| o.item), of(Kind::Abort, |o| o.upload));
    for operation in operations.iter().filter(|operation| operation.is_ok()) {
        let (Some(upload), Some(item)) = (operation.upload, operation.item) else {
            continue;
        };
        if ![Kind::Complete, Kind::SendThrough].contains(&operation.kind) {
            continue;
        }
        let status = statuses
            .get(&upload.to_string())
            .map_or("nowhere", String::as_str);
        let is_as_meant = match status {
            "stored" => true,
            "aborted" => deleted.contains(&item) || aborted.contains(&upload),
            // The item went before the file was looked at, or afterwards.
            "removed" | "rejected" => deleted.contains(&item),
            // Still under way: told by another counter.
            "pending" | "received" => true,
            _ => false,
        };
        if !is_as_meant {
            verdict.find(
                Counter::Lost,
                format!("upload {upload} was completed, and ended as {status}"),
            );
        }
    }
}

/// What is stored is shown by its item, and by no other; what an item shows is stored.
fn attached(evidence: &Evidence, verdict: &mut Verdict) {
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    for (item, event) in evidence.newest(ITEMS) {
        let data = event.data();
        if data["item"]["deleted"] == true {
            continue;
        }
        for file in data["item"]["files"].as_array().into_iter().flatten() {
            let upload = file["upload_id"].as_str().unwrap_or_default().to_owned();
            shown.insert(upload, item.to_owned());
        }
    }
    for (upload, event) in evidence.newest(UPLOADS) {
        let upload_state = event.data()["upload"].take();
        let item = shown.remove(upload);
        match (upload_state["status"].as_str(), item) {
            (Some("stored"), Some(item)) if upload_state["item_id"] == item.as_str() => {}
            (Some("stored"), item) => verdict.find(
                Counter::Lost,
                format!(
                    "upload {upload} is stored for item {}, and item {item:?} shows it",
                    upload_state["item_id"]
                ),
            ),
            (status, Some(item)) => verdict.find(
                Counter::Dangling,
                format!("item {item} shows a file of upload {upload}, which is {status:?}"),
            ),
            (_, None) => {}
        }
    }
    for (upload, item) in shown {
        verdict.find(
            Counter::Dangling,
            format!("item {item} shows a file of upload {upload}, which never was"),
        );
    }
}
