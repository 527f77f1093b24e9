//! Which repeats the campaign put into the log, and which are the relays' own.

use std::collections::BTreeSet;

use super::{Evidence, Verdict};

/// Both are allowed, and counted apart. Those of the campaign were acknowledged by Kafka, so some have to be found where
/// any were sent.
pub fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let mut seen = BTreeSet::new();
    let (mut injected, mut own) = (0, 0);
    for event in &evidence.events {
        let is_first = seen.insert((event.topic.as_str(), event.key.as_str(), event.version));
        match evidence.repeats.contains(&event.origin()) {
            true => injected += 1,
            false => own += usize::from(!is_first),
        }
    }
    verdict.note(format!(
        "of the repeats {injected} are the campaign's own, of {} sent, and {own} the relays'",
        evidence.repeats.len()
    ));
    if !evidence.repeats.is_empty() {
        verdict.has_read("repeats put there", injected);
    }
}
