//! Events as the product writes them, without the product.

use depot_domain::{CommandId, VersionToken};
use depot_schemas::{Envelope, Event, EventData, EventType, ItemData, ItemState};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

/// The creation of the n-th item, as large as those that [`CreateItems`](crate::load::CreateItems) causes.
pub fn item_created(number: u64) -> Event {
    let (id, now) = (Uuid::now_v7(), OffsetDateTime::now_utc());
    // The database's clock has microseconds.
    let now = now.replace_nanosecond(now.microsecond() * 1_000).unwrap_or(now);
    let attributes = json!({"n": number, "colour": "red"});
    let item = ItemState {
        id,
        owner: "bench".to_owned(),
        name: format!("Bench item {number}"),
        description: "Made under load, to be found by its words.".to_owned(),
        tags: vec!["bench".to_owned(), format!("tag-{}", number % 20)],
        attributes: attributes.as_object().cloned().unwrap_or_default(),
        status: "draft".to_owned(),
        files: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
        deleted: false,
    };
    let data = ItemData {
        item,
        changed: Vec::new(),
        actor: "bench".to_owned(),
    };
    let version = VersionToken::new(0, 1);
    Event {
        envelope: Envelope::new(EventType::ItemCreated, id, version, CommandId::generate(), now),
        data: EventData::Item(data),
    }
}
