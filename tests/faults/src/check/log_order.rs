//! The order of first occurrences in Kafka, and repeats.

use std::collections::BTreeMap;

use super::{Counter, Evidence, Verdict, evidence::Event};

pub fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let mut seen: BTreeMap<(&str, &str), BTreeMap<i64, &Event>> = BTreeMap::new();
    let mut repeats = 0;
    for event in &evidence.events {
        let versions = seen.entry((&event.topic, &event.key)).or_default();
        let at = format!(
            "{} {} version {} [{}] at {}",
            event.topic, event.key, event.version, event.partition, event.offset
        );
        match versions.get(&event.version) {
            Some(first) => {
                repeats += 1;
                if first.id != event.id {
                    verdict.find(
                        Counter::Reordered,
                        format!("{at}: another event than {} has that version", first.id),
                    );
                } else if first.payload != event.payload {
                    verdict.find(Counter::Reordered, format!("{at}: a repeat with other bytes"));
                }
            }
            None => {
                let expected = versions.last_key_value().map_or(1, |(newest, _)| newest + 1);
                if event.version != expected {
                    verdict.find(Counter::Reordered, format!("{at}: {expected} was to come first"));
                }
                versions.insert(event.version, event);
            }
        }
    }
    verdict.note(format!(
        "{repeats} repeats among the events, each of the same id and bytes unless told"
    ));
    for stranger in &evidence.strangers {
        verdict.find(
            Counter::Diverged,
            format!("{stranger}: no event, and none of this campaign's messages"),
        );
    }
}
