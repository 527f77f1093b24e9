//! What clients were told, against the log: the version that was answered is the one that the command made, and a repeat
//! is told what the first was told.

use std::collections::HashMap;

use super::{
    Counter, Verdict,
    first::{First, ITEMS, UPLOADS},
};
use crate::history::{Attempt, Kind, Operation, Told};

pub fn check(first: &First<'_>, told: &Told, verdict: &mut Verdict) {
    for operation in told.operations.iter().filter(|operation| operation.is_ok()) {
        match operation.kind {
            Kind::Create | Kind::Update | Kind::Delete | Kind::Canary => item(first, operation, verdict),
            Kind::Announce | Kind::Complete | Kind::SendThrough | Kind::Abort => {
                upload(first, operation, verdict);
            }
            Kind::Send | Kind::SendParts | Kind::Read | Kind::ReadByGrpc | Kind::ForbiddenRead => {}
        }
    }
    deleted(first, &told.operations, verdict);
    replays(&told.attempts, verdict);
}

fn item(first: &First<'_>, operation: &Operation, verdict: &mut Verdict) {
    let mut what = format!("{:?} of item {:?}", operation.kind, operation.item);
    let (Some(item), Some(version)) = (operation.item, operation.version) else {
        return verdict.find(
            Counter::Lost,
            format!("{what} was acknowledged, and of no version"),
        );
    };
    what = format!("{what}, acknowledged with version {version}");
    let Some(data) = first.at(ITEMS, &item.to_string(), version) else {
        return verdict.find(Counter::Lost, format!("{what}, is not in the log"));
    };
    let is_there = match &operation.marker {
        // A deletion writes nothing of its own.
        None => data["item"]["deleted"] == true,
        Some(marker) => data["item"]["description"] == marker.as_str(),
    };
    if !is_there {
        verdict.find(
            Counter::Lost,
            format!("{what}: that version is another command's"),
        );
    }
    if let Some(known) = operation.known.filter(|known| version != known + 1) {
        verdict.find(
            Counter::Lost,
            format!("{what}: it was for version {known}, and what lies between is overwritten"),
        );
    }
}

fn upload(first: &First<'_>, operation: &Operation, verdict: &mut Verdict) {
    let mut what = format!("{:?} of upload {:?}", operation.kind, operation.upload);
    let (Some(upload), Some(version)) = (operation.upload, operation.version) else {
        return verdict.find(
            Counter::Lost,
            format!("{what} was acknowledged, and of no version"),
        );
    };
    what = format!("{what}, acknowledged with version {version}");
    let Some(data) = first.at(UPLOADS, &upload.to_string(), version) else {
        return verdict.find(Counter::Lost, format!("{what}, is not in the log"));
    };
    let status = data["upload"]["status"].as_str().unwrap_or_default();
    let is_as_told = match operation.kind {
        Kind::Announce => status == "pending",
        Kind::Abort => status == "aborted",
        // One that was repeated may have been told of a later state.
        _ => ["received", "stored"].contains(&status),
    };
    if !is_as_told {
        verdict.find(Counter::Lost, format!("{what}: that version is {status}"));
    }
}

/// A deleted item stays deleted, and an item is deleted because somebody asked for it.
fn deleted(first: &First<'_>, operations: &[Operation], verdict: &mut Verdict) {
    let mut asked: HashMap<String, Vec<&Operation>> = HashMap::new();
    for operation in operations.iter().filter(|o| o.kind == Kind::Delete) {
        let item = operation.item.map(|item| item.to_string());
        asked.entry(item.unwrap_or_default()).or_default().push(operation);
    }
    for (item, life) in first.lives(ITEMS) {
        let is_deleted = life
            .last()
            .is_some_and(|newest| newest["item"]["deleted"] == true);
        let deletions = life.iter().filter(|data| data["item"]["deleted"] == true);
        let count = deletions.count();
        let asked = asked.remove(item).unwrap_or_default();
        let is_acknowledged = asked.iter().any(|operation| operation.is_ok());
        if count > 0 && !is_deleted || count == 0 && is_acknowledged {
            verdict.find(
                Counter::Lost,
                format!("item {item}: it was deleted, and is there"),
            );
        }
        if count > 1 {
            verdict.find(
                Counter::Duplicated,
                format!("item {item}: it was deleted {count} times"),
            );
        }
        if count > 0 && !asked.iter().any(|operation| operation.may_have_happened()) {
            verdict.find(
                Counter::Duplicated,
                format!("item {item}: it is deleted, and nobody was told so"),
            );
        }
    }
    for (item, asked) in asked {
        if asked.iter().any(|operation| operation.is_ok()) {
            verdict.find(
                Counter::Lost,
                format!("item {item}: it was deleted, and the log has nothing of it"),
            );
        }
    }
}

/// All answers under one key are one answer.
fn replays(attempts: &[Attempt], verdict: &mut Verdict) {
    let mut answers: HashMap<&str, &Attempt> = HashMap::new();
    let mut replays = 0;
    for attempt in attempts.iter().filter(|attempt| attempt.is_final) {
        let Some(key) = attempt.key.as_deref() else {
            continue;
        };
        let before = *answers.entry(key).or_insert(attempt);
        if std::ptr::eq(before, attempt) {
            continue;
        }
        replays += 1;
        let of = |attempt: &Attempt| (attempt.status, attempt.id.clone(), attempt.version);
        if of(before) != of(attempt) {
            verdict.find(
                Counter::Duplicated,
                format!(
                    "{:?} under key {key} was answered {:?}, and asked again {:?}",
                    attempt.kind,
                    of(before),
                    of(attempt)
                ),
            );
        }
    }
    verdict.has_read("attempts", attempts.len());
    verdict.has_read("repeats of a key", replays);
}
