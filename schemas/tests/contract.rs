#![cfg(test)]
//! Types, schema files and the decoder agree.

use std::{collections::HashMap, fs, path::PathBuf};

use depot_domain::{
    CommandId, Item, ItemContent, ItemId, ItemStatus, Owner, Upload, UploadId, UploadRequest, VersionToken,
};
use depot_schemas::{
    DeclaredData, DeclaredState, DecodeErrorClass, Entity, Envelope, Event, EventData, EventType, FileData,
    FileOutcome, FileState, ItemData, ItemState, ThumbnailState, UploadData, UploadState, decode,
    topics::{REDRIVEN_GROUPS, Topics},
};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

fn schema_path(event_type: EventType) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(event_type.schema_file())
}

fn generated_schema(event_type: EventType) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = match event_type.entity() {
        Entity::Items => generator.into_root_schema_for::<ItemData>().to_value(),
        Entity::Uploads => generator.into_root_schema_for::<UploadData>().to_value(),
        Entity::Files => generator.into_root_schema_for::<FileData>().to_value(),
        Entity::Declared(of) => DeclaredData::schema_of(of),
    };
    schema["$id"] = json!(event_type.schema());
    schema["title"] = json!(event_type.name());
    schema
}

/// `DEPOT_WRITE_CONTRACTS=1 cargo test -p depot-schemas` writes the files anew.
#[test]
fn every_event_type_has_its_committed_schema() {
    for event_type in EventType::all() {
        let mut text = serde_json::to_string_pretty(&generated_schema(event_type)).unwrap();
        text.push('\n');
        let path = schema_path(event_type);
        if std::env::var_os("DEPOT_WRITE_CONTRACTS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            committed,
            text,
            "{} differs from the Rust type: DEPOT_WRITE_CONTRACTS=1",
            path.display()
        );
    }
    let files = fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events"))
        .unwrap()
        .count();
    assert_eq!(
        files,
        EventType::all().count(),
        "a schema file without an event type"
    );
}

fn thumbnail() -> ThumbnailState {
    ThumbnailState {
        object_key: "t".into(),
        sha256: "cd".repeat(32),
        size_bytes: 9,
        content_type: "image/jpeg".into(),
        width: 320,
        height: 200,
    }
}

fn sample(event_type: EventType) -> Event {
    let now = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
    let owner = Owner::parse("alice").unwrap();
    let item_id = ItemId::generate();
    let data = match event_type.entity() {
        Entity::Items => {
            let content = ItemContent::parse(
                "a".into(),
                "b".into(),
                vec!["t".into()],
                Map::new(),
                ItemStatus::Active,
            );
            let item = Item::create(item_id, owner, content.unwrap(), now);
            EventData::Item(ItemData {
                item: ItemState::from(&item),
                changed: vec![],
                actor: "alice".into(),
            })
        }
        Entity::Uploads => {
            let request =
                UploadRequest::parse(item_id, "a.png".into(), "image/png".into(), 3, "ab".repeat(32))
                    .unwrap();
            let upload = Upload {
                part_size_bytes: Some(1),
                multipart_id: Some("m".into()),
                thumbnail: Some(thumbnail().try_into().unwrap()),
                ..Upload::request(UploadId::generate(), owner, request, now, now)
            };
            EventData::Upload(UploadData {
                upload: UploadState::from(&upload),
                changed: vec![],
                actor: "alice".into(),
            })
        }
        Entity::Files => EventData::File(FileData {
            file: FileState {
                upload_id: Uuid::now_v7(),
                item_id: item_id.0,
                outcome: FileOutcome::Stored,
                object_key: Some("k".into()),
                size_bytes: Some(3),
                sha256: Some("ab".repeat(32)),
                reason: None,
                detail: None,
                version: 1,
                thumbnail: Some(thumbnail()),
            },
        }),
        Entity::Declared(_) => EventData::Declared(DeclaredData {
            aggregate: DeclaredState {
                id: Uuid::now_v7(),
                owner: "alice".into(),
                state: json!({"text": "a"}),
                version: 1,
                created_at: now,
                updated_at: now,
            },
            changed: vec![],
            actor: "alice".into(),
        }),
    };
    let subject = match &data {
        EventData::Item(data) => data.item.id,
        EventData::Upload(data) => data.upload.id,
        EventData::File(data) => data.file.upload_id,
        EventData::Declared(data) => data.aggregate.id,
    };
    let mut envelope = Envelope::new(
        event_type,
        subject,
        VersionToken::new(0, 1),
        CommandId::generate(),
        now,
    );
    envelope.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    Event { envelope, data }
}

/// A message as it lies in Kafka, to be bent by a test.
struct Message {
    key: Option<Vec<u8>>,
    headers: HashMap<String, Vec<u8>>,
    payload: Vec<u8>,
}

impl Message {
    fn of(event: &Event) -> Self {
        Self {
            key: Some(event.envelope.subject.to_string().into_bytes()),
            headers: event
                .envelope
                .headers()
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.into_bytes()))
                .collect(),
            payload: event.payload().unwrap(),
        }
    }

    fn decode(&self, entity: Entity) -> Result<Event, DecodeErrorClass> {
        let header = |name: &str| self.headers.get(name).map(Vec::as_slice);
        decode(entity, self.key.as_deref(), header, Some(&self.payload)).map_err(|e| e.class)
    }
}

#[test]
fn every_event_survives_the_wire_and_meets_its_schema() {
    for &event_type in EventType::ALL {
        let event = sample(event_type);
        assert_eq!(Message::of(&event).decode(event_type.entity()), Ok(event.clone()));
        let validator = jsonschema::validator_for(&generated_schema(event_type)).unwrap();
        let value: Value = serde_json::from_slice(&event.payload().unwrap()).unwrap();
        assert!(validator.is_valid(&value), "{event_type}: {value}");
    }
}

#[test]
fn what_is_no_event_is_named_by_its_reason() {
    type Bend = fn(&mut Message);
    let cases: [(&str, Bend, DecodeErrorClass); 9] = [
        ("no key", |m| m.key = None, DecodeErrorClass::MissingKey),
        (
            "no type",
            |m| drop(m.headers.remove("ce_type")),
            DecodeErrorClass::MissingHeader,
        ),
        (
            "other type",
            |m| drop(m.headers.insert("ce_type".into(), b"x.y.v1".to_vec())),
            DecodeErrorClass::UnknownType,
        ),
        (
            "later version",
            |m| {
                drop(
                    m.headers
                        .insert("ce_type".into(), b"depot.item.created.v2".to_vec()),
                )
            },
            DecodeErrorClass::UnknownVersion,
        ),
        (
            "other topic",
            |m| {
                drop(
                    m.headers
                        .insert("ce_type".into(), b"depot.file.stored.v1".to_vec()),
                )
            },
            DecodeErrorClass::WrongTopic,
        ),
        (
            "bad id",
            |m| drop(m.headers.insert("ce_id".into(), b"7".to_vec())),
            DecodeErrorClass::InvalidHeader,
        ),
        (
            "no JSON",
            |m| m.payload = b"{".to_vec(),
            DecodeErrorClass::NotJson,
        ),
        (
            "other data",
            |m| m.payload = b"{}".to_vec(),
            DecodeErrorClass::InvalidData,
        ),
        (
            "other key",
            |m| m.key = Some(b"x".to_vec()),
            DecodeErrorClass::Inconsistent,
        ),
    ];
    for (name, bend, class) in cases {
        let mut message = Message::of(&sample(EventType::ItemCreated));
        bend(&mut message);
        assert_eq!(message.decode(Entity::Items), Err(class), "{name}");
    }
}

#[test]
fn unknown_fields_and_headers_are_ignored() {
    let mut message = Message::of(&sample(EventType::ItemCreated));
    let mut value: Value = serde_json::from_slice(&message.payload).unwrap();
    value["item"]["colour"] = json!("blue");
    message.payload = value.to_string().into_bytes();
    message.headers.insert("ce_later".into(), b"1".to_vec());
    assert!(message.decode(Entity::Items).is_ok());
}

/// Version 1 of an upload's event began without it.
#[test]
fn an_event_that_is_older_than_the_field_multipart_is_read_and_meets_the_schema() {
    let mut message = Message::of(&sample(EventType::UploadReceived));
    let mut value: Value = serde_json::from_slice(&message.payload).unwrap();
    let upload = value["upload"].as_object_mut().unwrap();
    assert_eq!(
        upload.remove("multipart"),
        Some(json!({"id": "m", "part_size_bytes": 1}))
    );
    message.payload = value.to_string().into_bytes();
    let EventData::Upload(data) = message.decode(Entity::Uploads).unwrap().data else {
        panic!("an upload's event");
    };
    assert_eq!(data.upload.multipart, None);
    let validator = jsonschema::validator_for(&generated_schema(EventType::UploadReceived)).unwrap();
    assert!(validator.is_valid(&value), "{value}");
}

/// Both kinds of events began without it.
#[test]
fn an_event_that_is_older_than_the_field_thumbnail_is_read_and_meets_the_schema() {
    for (event_type, state) in [
        (EventType::FileStored, "file"),
        (EventType::UploadStored, "upload"),
    ] {
        let mut message = Message::of(&sample(event_type));
        let mut value: Value = serde_json::from_slice(&message.payload).unwrap();
        assert!(
            value[state]
                .as_object_mut()
                .unwrap()
                .remove("thumbnail")
                .is_some()
        );
        message.payload = value.to_string().into_bytes();
        let thumbnail = match message.decode(event_type.entity()).unwrap().data {
            EventData::File(data) => data.file.thumbnail,
            EventData::Upload(data) => data.upload.thumbnail,
            EventData::Item(_) | EventData::Declared(_) => panic!("another event"),
        };
        assert_eq!(thumbnail, None);
        let validator = jsonschema::validator_for(&generated_schema(event_type)).unwrap();
        assert!(validator.is_valid(&value), "{value}");
    }
}

#[test]
fn topic_names_have_dots_only_and_dead_letters_as_many_partitions() {
    let topics = Topics::new("depot");
    let declared = topics.declared();
    for spec in &declared {
        assert!(
            spec.name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c)),
            "{}",
            spec.name
        );
    }
    for entity in Entity::ALL {
        let find = |name: &str| declared.iter().find(|spec| spec.name == name).unwrap().partitions;
        assert!(find(&topics.dead_letters(entity)) >= find(&topics.events(entity)));
        assert_eq!(topics.entity(&topics.events(entity)), Some(entity));
        // A letter keeps its partition's number on its way back too.
        for group in REDRIVEN_GROUPS {
            assert!(find(&topics.redriven(group)) >= find(&topics.dead_letters(entity)));
        }
    }
}
