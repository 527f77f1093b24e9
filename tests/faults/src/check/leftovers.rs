//! Work that has not ended, and messages that are neither handled nor kept as dead letters.

use super::{Counter, Evidence, Verdict, evidence::DeadLetter};
use crate::topics::given_up_by;

pub fn check(evidence: &Evidence, verdict: &mut Verdict) {
    for upload in &evidence.rows["uploads"] {
        let is_final = ["stored", "rejected", "expired", "aborted", "removed"]
            .iter()
            .any(|end| upload["status"] == *end);
        if !is_final {
            verdict.find(
                Counter::Stuck,
                format!("upload {} is {}", upload["id"], upload["status"]),
            );
        }
    }
    for saga in &evidence.rows["sagas"] {
        if !["completed", "compensated"]
            .iter()
            .any(|end| saga["state"] == *end)
        {
            verdict.find(
                Counter::Stuck,
                format!(
                    "saga {} {} is {} at {}",
                    saga["saga"], saga["saga_id"], saga["state"], saga["step"]
                ),
            );
        }
    }
    for (name, left) in &evidence.leftovers {
        let counter = match name.starts_with("unpublished") {
            true => Counter::Unpublished,
            false => Counter::Stuck,
        };
        for what in left {
            verdict.find(counter, format!("{name}: {what}"));
        }
    }
    for behind in &evidence.behind {
        verdict.find(Counter::Stuck, behind.to_string());
    }
    dead_letters(evidence, verdict);
}

/// Every message that cannot be handled is kept, once for each group that reads it; and nothing else is.
fn dead_letters(evidence: &Evidence, verdict: &mut Verdict) {
    let mut kept = 0;
    for origin in &evidence.poison {
        for group in given_up_by(&origin.topic) {
            let letter = DeadLetter {
                group: group.to_owned(),
                origin: origin.clone(),
            };
            match evidence.dead_letters.contains(&letter) {
                true => kept += 1,
                false => verdict.find(
                    Counter::Stuck,
                    format!("{origin:?} cannot be handled, and {group} has not kept it"),
                ),
            }
        }
    }
    for letter in &evidence.dead_letters {
        if !evidence.poison.contains(&letter.origin) {
            verdict.find(
                Counter::Stuck,
                format!("{letter:?}: a message that nobody spoiled was given up"),
            );
        } else if !given_up_by(&letter.origin.topic).any(|group| group == letter.group) {
            verdict.find(
                Counter::Stuck,
                format!("{letter:?}: that group was not known to read the topic"),
            );
        }
    }
    if !evidence.poison.is_empty() {
        verdict.has_read("dead letters", kept);
    }
}
