//! Every event that a test puts on Kafka is held to the committed schemas.

use std::collections::{BTreeMap, HashMap};

use depot_end_to_end::{Depot, read_topic};
use depot_schemas::{Entity, EventType, header};
use serde_json::Value;

/// Reads all three event topics from their first offset, and prints and answers how many events each declared type
/// has.
pub async fn every_event_meets_its_schema(depot: &Depot) -> BTreeMap<&'static str, usize> {
    let validators: HashMap<_, _> = EventType::ALL
        .iter()
        .map(|kind| (kind.name(), validator(*kind)))
        .collect();
    let mut count: BTreeMap<&str, usize> = EventType::ALL
        .iter()
        .map(|event_type| (event_type.name(), 0))
        .collect();
    for entity in Entity::ALL {
        for record in read_topic(&depot.topics().events(entity)).await.unwrap() {
            let event_type = EventType::from_name(record.header(header::TYPE)).expect("a declared type");
            assert_eq!(event_type.entity(), entity);
            assert_eq!(record.key_text(), record.header(header::SUBJECT));
            for name in [
                header::ID,
                header::SOURCE,
                header::TIME,
                header::CAUSATION_ID,
                header::RESTORE_EPOCH,
            ] {
                assert!(!record.header(name).is_empty(), "{event_type} without {name}");
            }
            let value: Value = serde_json::from_slice(&record.payload).unwrap();
            let errors: Vec<_> = validators[event_type.name()]
                .iter_errors(&value)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{event_type}: {errors:?}");
            *count.entry(event_type.name()).or_default() += 1;
        }
    }
    for (name, count) in &count {
        println!("{count:>6} {name}");
    }
    count
}

fn validator(event_type: EventType) -> jsonschema::Validator {
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/events/");
    let text = std::fs::read_to_string(format!("{schemas}{}", event_type.schema_file())).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}
