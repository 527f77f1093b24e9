//! Events that tell a state once more.

use aws_lc_rs::digest;
use depot_domain::{CommandId, EventId, VersionToken};
use depot_outbox::{AppendError, InvalidEvent};
use depot_schemas::{Envelope, Event, EventData, EventType, ItemData, ItemState, UploadData, UploadState};
use time::OffsetDateTime;
use uuid::{Builder, Uuid};

/// What stands as the actor of a snapshot.
const ACTOR: &str = "republish";

/// The snapshot of an item. Its time is that of the state: see [`super::events`].
///
/// # Errors
/// The state cannot be written as JSON.
pub(super) fn of_item(epoch: i32, item: ItemState) -> Result<Event, AppendError> {
    let version = VersionToken::new(epoch, item.version);
    let (id, time) = (item.id, item.updated_at);
    let data = EventData::Item(ItemData {
        item,
        changed: Vec::new(),
        actor: ACTOR.to_owned(),
    });
    event(EventType::ItemSnapshot, id, version, time, data)
}

/// The snapshot of an upload.
///
/// # Errors
/// As [`of_item`].
pub(super) fn of_upload(epoch: i32, upload: UploadState) -> Result<Event, AppendError> {
    let version = VersionToken::new(epoch, upload.version);
    let (id, time) = (upload.id, upload.updated_at);
    let data = EventData::Upload(UploadData {
        upload,
        changed: Vec::new(),
        actor: ACTOR.to_owned(),
    });
    event(EventType::UploadSnapshot, id, version, time, data)
}

/// Nothing in it depends on when and by which run it is made: the snapshot of a state has one id and one form, and what is told
/// twice is a repeat. It causes itself, since no command does.
fn event(
    event_type: EventType,
    subject: Uuid,
    version: VersionToken,
    time: OffsetDateTime,
    data: EventData,
) -> Result<Event, AppendError> {
    let envelope = Envelope::new(event_type, subject, version, CommandId(Uuid::nil()), time);
    let mut event = Event { envelope, data };
    let payload = event.payload().map_err(|source| InvalidEvent::Payload {
        event_id: event.envelope.id.0,
        source,
    })?;
    let id = id_of(&event.envelope, &payload);
    event.envelope.id = EventId(id);
    event.envelope.causation_id = CommandId(id);
    Ok(event)
}

/// A UUID of version 8: the first bytes of a SHA-256 over what the snapshot says, so that another content has another id.
fn id_of(envelope: &Envelope, payload: &[u8]) -> Uuid {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(envelope.event_type.name().as_bytes());
    hash.update(envelope.subject.as_bytes());
    hash.update(&envelope.version.epoch.to_be_bytes());
    hash.update(&envelope.version.version.to_be_bytes());
    hash.update(payload);
    let mut id = [0; 16];
    for (byte, hashed) in id.iter_mut().zip(hash.finish().as_ref()) {
        *byte = *hashed;
    }
    Builder::from_custom_bytes(id).into_uuid()
}

#[cfg(test)]
mod tests {
    use depot_domain::{Item, ItemContent, ItemId, ItemStatus, Owner};

    use super::*;

    fn item() -> ItemState {
        let content = ItemContent::parse(
            "a".into(),
            String::new(),
            vec![],
            serde_json::Map::new(),
            ItemStatus::Draft,
        );
        let owner = Owner::parse("alice").unwrap();
        let made_at = OffsetDateTime::UNIX_EPOCH;
        ItemState::from(&Item::create(
            ItemId::generate(),
            owner,
            content.unwrap(),
            made_at,
        ))
    }

    #[test]
    fn the_snapshot_of_a_state_is_the_same_whoever_makes_it() {
        let item = item();
        assert_eq!(of_item(0, item.clone()).unwrap(), of_item(0, item).unwrap());
    }

    #[test]
    fn another_epoch_version_or_content_is_another_event() {
        let first = item();
        let id = |epoch, item| of_item(epoch, item).unwrap().envelope.id;
        let others = [
            id(1, first.clone()),
            id(
                0,
                ItemState {
                    version: 2,
                    ..first.clone()
                },
            ),
            id(
                0,
                ItemState {
                    name: "b".into(),
                    ..first.clone()
                },
            ),
        ];
        let first = id(0, first);
        assert!(others.iter().all(|other| *other != first), "{others:?}");
        assert_eq!(first.0.get_version_num(), 8);
    }
}
