//! `asyncapi.yaml`, made from what this crate declares, and `docs/asyncapi.html`, which shows it.
//! `DEPOT_WRITE_CONTRACTS=1` writes both anew.

mod document;
mod flows;
mod headers;
mod page;
mod yaml;

use std::collections::BTreeSet;

use depot_schemas::{EventType, topics::Topics};
use serde_json::Value;

use crate::committed::assert_committed;

#[test]
fn the_committed_asyncapi_document_and_its_page_are_what_the_code_says() {
    let document = document::document();
    assert_committed("asyncapi.yaml", &yaml::written(&document));
    assert_committed("../docs/asyncapi.html", &page::rendered(&document));
}

#[test]
fn every_topic_is_a_channel_and_every_type_of_event_a_message_of_one() {
    let document = document::document();
    let channels = document["channels"].as_object().unwrap();
    let addresses: BTreeSet<_> = channels
        .values()
        .map(|channel| channel["address"].as_str().unwrap())
        .collect();
    let declared = Topics::new("depot").declared();
    let declared: BTreeSet<_> = declared.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(addresses, declared);
    for event_type in EventType::all() {
        let carriers = channels
            .values()
            .filter(|channel| channel["messages"].get(document::key(event_type)).is_some());
        assert_eq!(carriers.count(), 1, "{event_type}");
    }
}

#[test]
fn every_topic_has_who_writes_and_who_reads_it() {
    let document = document::document();
    for channel in document["channels"].as_object().unwrap().keys() {
        let reference = format!("#/channels/{channel}");
        let operations = document["operations"].as_object().unwrap().values();
        let of_channel = operations.filter(|operation| operation["channel"]["$ref"] == reference.as_str());
        let actions: BTreeSet<_> = of_channel
            .map(|operation| operation["action"].as_str().unwrap())
            .collect();
        // What an object store tells is written by none of ours.
        let expected: &[&str] = match channel.as_str() {
            "store-notifications" => &["receive"],
            _ => &["receive", "send"],
        };
        assert_eq!(actions.into_iter().collect::<Vec<_>>(), expected, "{channel}");
    }
}

#[test]
fn no_reference_of_the_document_leads_nowhere() {
    fn check(document: &Value, value: &Value, count: &mut usize) {
        if let Some(reference) = value["$ref"].as_str() {
            let is_there = match reference.strip_prefix('#') {
                Some(pointer) => document.pointer(pointer).is_some(),
                None => std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join(reference)
                    .is_file(),
            };
            assert!(is_there, "{reference}");
            *count += 1;
        }
        let members = value.as_object().into_iter().flatten().map(|(_, value)| value);
        for value in members.chain(value.as_array().into_iter().flatten()) {
            check(document, value, count);
        }
    }
    let (document, mut count) = (document::document(), 0);
    check(&document, &document, &mut count);
    assert!(count >= 60, "only {count} references");
}
