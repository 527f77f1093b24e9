//! Events of one item, as the projector is given them.

use std::sync::Arc;

use depot_consumer::{Batch, Record};
use depot_domain::{CommandId, VersionToken};
use depot_schemas::{Entity, Envelope, Event, EventData, EventType, ItemData, ItemState, topics::Topics};
use serde_json::Map;
use time::macros::datetime;
use uuid::Uuid;

/// An item in its first version.
pub fn item(name: &str) -> ItemState {
    let now = datetime!(2026-03-01 12:00:00 UTC);
    ItemState {
        id: Uuid::now_v7(),
        owner: "alice".to_owned(),
        name: name.to_owned(),
        description: String::new(),
        tags: Vec::new(),
        attributes: Map::new(),
        status: "draft".to_owned(),
        files: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
        deleted: false,
    }
}

/// The item's next version, with another name.
pub fn renamed(item: &ItemState, name: &str) -> ItemState {
    ItemState {
        name: name.to_owned(),
        version: item.version + 1,
        ..item.clone()
    }
}

/// The item's last version.
pub fn deleted(item: &ItemState) -> ItemState {
    ItemState {
        deleted: true,
        version: item.version + 1,
        ..item.clone()
    }
}

/// A batch of one partition, with an event at each offset from `from` on.
pub fn batch(from: i64, items: &[&ItemState]) -> Batch<Event> {
    let topic: Arc<str> = Topics::new("depot").events(Entity::Items).into();
    let record = |offset| Record {
        topic: Arc::clone(&topic),
        offset,
        ..Record::default()
    };
    let events = items.iter().map(|item| event(item));
    Batch {
        topic: Arc::clone(&topic),
        partition: 0,
        expected_offset: from,
        next_offset: from + items.len() as i64,
        events: (from..).map(record).zip(events).collect::<Vec<_>>().into(),
    }
}

fn event(item: &ItemState) -> Event {
    let event_type = match item {
        ItemState { deleted: true, .. } => EventType::ItemDeleted,
        ItemState { version: 1, .. } => EventType::ItemCreated,
        _ => EventType::ItemUpdated,
    };
    let version = VersionToken::new(0, item.version);
    Event {
        envelope: Envelope::new(
            event_type,
            item.id,
            version,
            CommandId::generate(),
            item.updated_at,
        ),
        data: EventData::Item(ItemData {
            item: item.clone(),
            changed: Vec::new(),
            actor: item.owner.clone(),
        }),
    }
}
