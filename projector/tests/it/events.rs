//! Events as command-api writes them.

use std::sync::Arc;

use depot_consumer::{Batch, Record};
use depot_domain::{CommandId, EventId, VersionToken};
use depot_schemas::{
    AttachedFile, Entity, Envelope, Event, EventData, EventType, ItemData, ItemState, UploadData,
    UploadState, topics::Topics,
};
use serde_json::Map;
use time::{Duration, OffsetDateTime, macros::datetime};
use uuid::Uuid;

pub const TOPIC_PREFIX: &str = "depot";

pub fn now() -> OffsetDateTime {
    datetime!(2026-03-01 12:00:00.123456 UTC)
}

/// An item in its first version.
pub fn item(owner: &str, tags: &[&str]) -> ItemState {
    ItemState {
        id: Uuid::now_v7(),
        owner: owner.to_owned(),
        name: "a name".to_owned(),
        description: "words".to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        attributes: Map::from_iter([("b".to_owned(), 1.into()), ("a".to_owned(), "x".into())]),
        status: "draft".to_owned(),
        files: Vec::new(),
        version: 1,
        created_at: now(),
        updated_at: now(),
        deleted: false,
    }
}

pub fn file(size_bytes: i64) -> AttachedFile {
    AttachedFile {
        upload_id: Uuid::now_v7(),
        file_name: "a.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        size_bytes,
        sha256: "0".repeat(64),
    }
}

/// The next version of an item, changed.
pub fn next(item: &ItemState, change: impl FnOnce(&mut ItemState)) -> ItemState {
    let mut next = ItemState {
        version: item.version + 1,
        updated_at: item.updated_at + Duration::seconds(1),
        ..item.clone()
    };
    change(&mut next);
    next
}

pub fn delete(item: &ItemState) -> ItemState {
    next(item, |item| item.deleted = true)
}

pub fn upload(owner: &str) -> UploadState {
    UploadState {
        id: Uuid::now_v7(),
        item_id: Uuid::now_v7(),
        owner: owner.to_owned(),
        file_name: "a.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        size_bytes: 5,
        sha256: "0".repeat(64),
        status: "pending".to_owned(),
        reason: None,
        object_key: None,
        version: 1,
        created_at: now(),
        updated_at: now(),
        expires_at: now() + Duration::minutes(15),
        multipart: None,
        thumbnail: None,
    }
}

pub fn item_event(item: &ItemState) -> Event {
    item_event_in(0, item)
}

/// The event of this version, which happened then.
pub fn item_event_at(time: OffsetDateTime, item: &ItemState) -> Event {
    let mut event = item_event(item);
    event.envelope.time = time;
    event
}

pub fn item_event_in(epoch: i32, item: &ItemState) -> Event {
    let event_type = match item {
        ItemState { deleted: true, .. } => EventType::ItemDeleted,
        ItemState { version: 1, .. } => EventType::ItemCreated,
        _ => EventType::ItemUpdated,
    };
    let data = ItemData {
        item: item.clone(),
        changed: vec!["name".to_owned()],
        actor: item.owner.clone(),
    };
    Event {
        envelope: envelope(event_type, item.id, VersionToken::new(epoch, item.version)),
        data: EventData::Item(data),
    }
}

pub fn upload_event(upload: &UploadState) -> Event {
    let event_type = match upload.status.as_str() {
        "pending" => EventType::UploadRequested,
        "received" => EventType::UploadReceived,
        _ => EventType::UploadStored,
    };
    let data = UploadData {
        upload: upload.clone(),
        changed: vec![],
        actor: upload.owner.clone(),
    };
    Event {
        envelope: envelope(event_type, upload.id, VersionToken::new(0, upload.version)),
        data: EventData::Upload(data),
    }
}

/// The same for the same version each time: a repeat has the same ids.
pub fn envelope(event_type: EventType, subject: Uuid, version: VersionToken) -> Envelope {
    let of_version = |salt: u128| {
        let version = (version.epoch as u128) << 64 | version.version as u128;
        Uuid::from_u128(subject.as_u128() ^ version ^ salt << 100)
    };
    let mut envelope = Envelope::new(event_type, subject, version, CommandId(of_version(1)), now());
    envelope.id = EventId(of_version(2));
    envelope
}

/// A batch of one partition that begins at `from` and has one event at each offset.
pub fn batch(entity: Entity, partition: i32, from: i64, events: Vec<Event>) -> Batch<Event> {
    let topic: Arc<str> = Topics::new(TOPIC_PREFIX).events(entity).into();
    let record = |offset| Record {
        topic: Arc::clone(&topic),
        partition,
        offset,
        ..Record::default()
    };
    Batch {
        topic: Arc::clone(&topic),
        partition,
        expected_offset: from,
        next_offset: from + events.len() as i64,
        events: (from..).map(record).zip(events).collect::<Vec<_>>().into(),
    }
}

pub fn items(from: i64, states: &[&ItemState]) -> Batch<Event> {
    batch(
        Entity::Items,
        0,
        from,
        states.iter().map(|state| item_event(state)).collect(),
    )
}
