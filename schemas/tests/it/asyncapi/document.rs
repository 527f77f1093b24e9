use std::{collections::BTreeMap, fs, path::PathBuf};

use depot_schemas::{
    Entity, EventType,
    topics::{TopicSpec, Topics},
};
use serde_json::{Map, Value, json};

use super::{flows, headers};

/// What an installation is called where it has chosen nothing else.
const PREFIX: &str = "depot";

/// The AsyncAPI 3.1 document. Its members are in the order of their names.
pub fn document() -> Value {
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Depot events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the services of Depot tell each other, and everybody who wants to know, through Kafka. \
                            Events are CloudEvents 1.0 in binary mode: the headers name the event, and the value is its data \
                            alone, as JSON. Each has the whole state after the change. Readers pass over what they do not know; \
                            what may change is in docs/versioning.md. Names of topics begin with the installation's own prefix, \
                            which is `depot` unless it has chosen another.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {
            "host": "{brokers}",
            "protocol": "kafka",
            "description": "The Kafka of the installation: `KAFKA_BROKERS`",
            "variables": {"brokers": {"default": "localhost:9092", "description": "Host and port"}},
        }},
        "channels": channels(),
        "operations": operations(),
        "components": {"messages": messages()},
    })
}

/// The name of a type's message, for example `item.created.v1`.
pub fn key(event_type: EventType) -> &'static str {
    event_type.name().trim_start_matches("depot.")
}

/// A topic's name without prefix and version.
fn short(topic: &str) -> &str {
    let stem = topic.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('.'));
    stem.and_then(|stem| stem.strip_suffix(".v1")).unwrap_or(topic)
}

/// The name of its channel, for example `items-dlq`.
fn channel(short: &str) -> String {
    short.replace('.', "-")
}

fn channels() -> Map<String, Value> {
    let topics = Topics::new(PREFIX).declared();
    topics
        .iter()
        .map(|topic| (channel(short(&topic.name)), described(topic)))
        .collect()
}

fn described(topic: &TopicSpec) -> Value {
    let (description, messages) = contents(topic);
    let messages: Map<_, _> = messages
        .into_iter()
        .map(|name| {
            let reference = json!({"$ref": format!("#/components/messages/{name}")});
            (name, reference)
        })
        .collect();
    let settings: BTreeMap<_, _> = topic.settings().into_iter().collect();
    let number = |name: &str| settings[name].parse::<i64>().unwrap();
    json!({
        "address": topic.name,
        "description": description,
        "messages": messages,
        "bindings": {"kafka": {
            "topic": topic.name,
            "partitions": topic.partitions,
            "topicConfiguration": {
                "cleanup.policy": [settings["cleanup.policy"]],
                "retention.ms": number("retention.ms"),
                "retention.bytes": number("retention.bytes"),
                "max.message.bytes": number("max.message.bytes"),
            },
            "bindingVersion": "0.5.0",
        }},
    })
}

/// What a topic is for, and the names of the messages on it.
fn contents(topic: &TopicSpec) -> (String, Vec<String>) {
    let topics = Topics::new(PREFIX);
    if let Some(entity) = topics.entity(&topic.name) {
        let of_entity = EventType::all().filter(|event_type| event_type.entity() == entity);
        let messages = of_entity.map(|event_type| key(event_type).to_owned()).collect();
        return (about(entity).to_owned(), messages);
    }
    let name = short(&topic.name);
    let (description, message) = if name.ends_with("dlq") {
        (
            "What a consumer group could not take, whole, and why. A letter has the partition of its origin.",
            "dead-letter",
        )
    } else if name == "store-notifications" {
        (
            "What the object store itself tells, where it sends notifications to Kafka.",
            "store-notification",
        )
    } else if name.starts_with("uploads.retry") {
        (
            "Where an upload's message waits for its next attempt, and what follows it of its key.",
            "waiting",
        )
    } else {
        (
            "Where the dead letters of one group come back, on an operator's word.",
            "redriven",
        )
    };
    (description.to_owned(), vec![message.to_owned()])
}

fn about(entity: Entity) -> &'static str {
    match entity {
        Entity::Declared(_) => {
            "Events of a declared aggregate, keyed by its id, in the order of its versions."
        }
        Entity::Items => "Events of items, keyed by the item's id, in the order of its versions.",
        Entity::Uploads => "Events of uploads, keyed by the upload's id, in the order of its versions.",
        Entity::Files => "Facts of the object store, keyed by the upload's id, with versions of their own.",
    }
}

fn operations() -> Map<String, Value> {
    let operation = |action: &str, topic: &str, summary: &str| {
        json!({
            "action": action,
            "channel": {"$ref": format!("#/channels/{}", channel(topic))},
            "summary": summary,
        })
    };
    let mut operations = Map::new();
    for (service, topic, summary) in flows::sends() {
        let mut sends = operation("send", &topic, summary);
        sends["tags"] = json!([{"name": service}]);
        operations.insert(format!("{service}-sends-{}", channel(&topic)), sends);
    }
    for (service, group, topics, summary) in flows::receives() {
        for topic in &topics {
            let mut receives = operation("receive", topic, summary);
            receives["tags"] = json!([{"name": service}]);
            let group_id = json!({"type": "string", "enum": [Topics::new(PREFIX).group(group)]});
            receives["bindings"] = json!({"kafka": {"groupId": group_id, "bindingVersion": "0.5.0"}});
            operations.insert(format!("{group}-receives-{}", channel(topic)), receives);
        }
    }
    operations
}

fn messages() -> Map<String, Value> {
    let mut messages: Map<String, Value> = EventType::all()
        .map(|event_type| (key(event_type).to_owned(), message(event_type)))
        .collect();
    for (name, title, prefixes) in [
        (
            "dead-letter",
            "A message that a group gave up",
            &["kafka_dlt-", "depot_dlq_"][..],
        ),
        (
            "waiting",
            "A message that waits for its next attempt",
            &["depot_retry_"],
        ),
        (
            "redriven",
            "A message that was brought back from the dead letters",
            &["depot_dlq_redriven"],
        ),
    ] {
        let summary = "Key, value and headers are those of the original; these headers come besides.";
        let (headers, payload) = (
            headers::of_fate(prefixes),
            json!({"description": "As it was: any bytes, or none"}),
        );
        messages.insert(
            name.to_owned(),
            json!({"name": name, "title": title, "summary": summary, "headers": headers, "payload": payload}),
        );
    }
    messages.insert("store-notification".to_owned(), store_notification());
    messages
}

fn message(event_type: EventType) -> Value {
    let subject = match event_type.entity() {
        Entity::Items => "The item's id",
        Entity::Uploads | Entity::Files => "The upload's id",
        Entity::Declared(_) => "The aggregate's id",
    };
    json!({
        "name": event_type.name(),
        "title": event_type.name(),
        "contentType": "application/json",
        "headers": headers::of_event(event_type),
        "payload": {"$ref": format!("./events/{}", event_type.schema_file())},
        "bindings": {"kafka": {
            "key": {"type": "string", "format": "uuid", "description": subject},
            "bindingVersion": "0.5.0",
        }},
        "examples": example(event_type).into_iter().collect::<Vec<_>>(),
    })
}

/// The first of the corpus that this version writes. Only a declared aggregate may have none.
fn example(event_type: EventType) -> Option<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(key(event_type));
    if matches!(event_type, EventType::Declared(..)) && !folder.is_dir() {
        return None;
    }
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let documents = files.iter().map(|file| {
        let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        (file, document)
    });
    let is_current = |document: &Value| {
        let is_small = document["value"].to_string().len() < 2_000;
        document["passed_over"].is_null() && document["headers"]["ce_restoreepoch"] == "0" && is_small
    };
    let (file, document) = documents
        .into_iter()
        .find(|(_, document)| is_current(document))
        .unwrap();
    let name = file.file_stem().unwrap().to_str().unwrap();
    Some(json!({"name": name, "headers": document["headers"], "payload": document["value"]}))
}

fn store_notification() -> Value {
    let text = || json!({"type": "string"});
    let named = |name: &str| json!({"type": "object", "required": [name], "properties": {name: text()}});
    let record = json!({
        "type": "object",
        "required": ["eventName", "s3"],
        "properties": {
            "eventName": {"type": "string", "description": "For example `s3:ObjectCreated:Put`"},
            "s3": {
                "type": "object",
                "required": ["bucket", "object"],
                "properties": {"bucket": named("name"), "object": named("key")},
            },
        },
    });
    json!({
        "name": "store-notification",
        "title": "S3's event message",
        "summary": "Written by the object store, not by Depot: what is named here is what is read.",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "properties": {
                "Records": {"type": "array", "items": record},
                "Event": {"type": "string", "description": "`s3:TestEvent`, when notifications are switched on"},
            },
        },
    })
}
