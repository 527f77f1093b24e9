//! The item that everything here is about: as large as those of the load.

use depot_domain::{CommandId, Item, ItemContent, ItemId, ItemStatus, Owner, VersionToken};
use depot_schemas::{Envelope, Event, EventData, EventType, ItemData, ItemState};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

pub fn attributes() -> Map<String, Value> {
    let Value::Object(attributes) = json!({"colour": "green", "weight_grams": 1250, "fragile": true}) else {
        unreachable!("it is written as an object");
    };
    attributes
}

pub fn content() -> ItemContent {
    ItemContent::parse(
        "A garden chair of beech".to_owned(),
        "Oiled twice a year, and kept in the dry in winter. Two of the six have new seats.".to_owned(),
        vec!["garden".to_owned(), "wood".to_owned(), "seats".to_owned()],
        attributes(),
        ItemStatus::Active,
    )
    .expect("every field is valid")
}

pub fn item() -> Item {
    let owner = Owner::parse("alice").expect("a valid owner");
    Item::create(
        ItemId(Uuid::now_v7()),
        owner,
        content(),
        OffsetDateTime::now_utc(),
    )
}

pub fn event() -> Event {
    let item = item();
    let envelope = Envelope::new(
        EventType::ItemCreated,
        item.id.0,
        VersionToken::new(0, item.version),
        CommandId(Uuid::now_v7()),
        OffsetDateTime::now_utc(),
    );
    let data = EventData::Item(ItemData {
        item: ItemState::from(&item),
        changed: Vec::new(),
        actor: "alice".to_owned(),
    });
    Event { envelope, data }
}
