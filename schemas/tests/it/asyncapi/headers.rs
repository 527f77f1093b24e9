use depot_domain::{CommandId, VersionToken};
use depot_schemas::{Envelope, EventType, header};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Where the headers of dead letters and retries are declared.
const DEAD_LETTER: &str = include_str!("../../../../crates/consumer/src/dead_letter.rs");

/// The headers of an event of that type, as a schema.
pub fn of_event(event_type: EventType) -> Value {
    let now = OffsetDateTime::UNIX_EPOCH;
    let mut envelope = Envelope::new(
        event_type,
        Uuid::nil(),
        VersionToken::new(0, 1),
        CommandId::generate(),
        now,
    );
    envelope.traceparent = Some(String::new());
    envelope.tracestate = Some(String::new());
    let properties: Map<String, Value> = envelope
        .headers()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), property(name, &value)))
        .collect();
    let optional = [header::RESTORE_EPOCH, header::TRACEPARENT, header::TRACESTATE];
    let required: Vec<_> = properties
        .keys()
        .filter(|name| !optional.contains(&name.as_str()))
        .cloned()
        .collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// `value` is that of a sample, and the only one where the header has no other.
fn property(name: &str, value: &str) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let only = |description: &str| json!({"type": "string", "description": description, "const": value});
    let formatted = |format: &str, description: &str| json!({"type": "string", "format": format, "description": description});
    match name {
        header::SPEC_VERSION => only("CloudEvents"),
        header::ID => formatted("uuid", "The event's own id; a repeat has the same"),
        header::SOURCE => only("The service that wrote it"),
        header::TYPE => only("What happened, with the major version of the event"),
        header::TIME => formatted("date-time", "When it happened"),
        header::SUBJECT => formatted("uuid", "The id of what it is about"),
        header::PARTITION_KEY => formatted("uuid", "The same"),
        header::DATA_SCHEMA => only("The schema of the value, as a path in this project"),
        header::CONTENT_TYPE => only("The value's media type"),
        header::AGGREGATE_VERSION => text("The version of what it is about, after this event: decimal"),
        header::CAUSATION_ID => formatted("uuid", "The command, or the event taken as one, that caused it"),
        header::RESTORE_EPOCH => text(
            "How often the writer's database was set back: decimal, absent for 0. Events of a key are in the order of this, and then of their version",
        ),
        header::TRACEPARENT => text("W3C Trace Context of what wrote it"),
        header::TRACESTATE => text("W3C Trace Context of what wrote it"),
        other => panic!("the header {other} has no description: give it one here"),
    }
}

/// The headers that a message has besides its own, by the prefixes of their names.
pub fn of_fate(prefixes: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut description = String::new();
    for line in DEAD_LETTER.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            let gap = if description.is_empty() { "" } else { " " };
            description = format!("{description}{gap}{text}");
        } else {
            let name = line
                .strip_prefix("pub const ")
                .and_then(|rest| rest.split('"').nth(1));
            if let Some(name) = name.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))) {
                properties.insert(
                    name.to_owned(),
                    json!({"type": "string", "description": description}),
                );
            }
            description.clear();
        }
    }
    assert!(!properties.is_empty(), "no header begins with {prefixes:?}");
    json!({"type": "object", "properties": properties})
}
