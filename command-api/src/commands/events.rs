use depot_domain::{Instance, Item, Upload, VersionToken};
use depot_schemas::{DeclaredData, Envelope, Event, EventData, EventType, ItemData, UploadData};
use depot_service::telemetry::TraceHeaders;
use time::OffsetDateTime;

use super::{Moment, unit_of_work::Cause};

/// An event of an item in the version that it has after the change.
///
/// Its time is that of the state, which never goes back from one version to the next, as `moment.now` may where a
/// transaction began before the one that it had to wait for. So a version has one time, whatever tells of it: the history
/// is partitioned by it.
pub(super) fn of_item(
    moment: &Moment,
    cause: &Cause,
    event_type: EventType,
    item: &Item,
    changed: &[&str],
    actor: &str,
) -> Event {
    let version = moment.token(item.version);
    let data = EventData::Item(ItemData {
        item: item.into(),
        changed: changed.iter().map(|&name| name.to_owned()).collect(),
        actor: actor.to_owned(),
    });
    event(item.updated_at, cause, event_type, item.id.0, version, data)
}

/// An event of an upload in the version that it has after the change.
pub(super) fn of_upload(
    moment: &Moment,
    cause: &Cause,
    event_type: EventType,
    upload: &Upload,
    changed: &[&str],
    actor: &str,
) -> Event {
    let version = moment.token(upload.version);
    let data = EventData::Upload(UploadData {
        upload: upload.into(),
        changed: changed.iter().map(|&name| name.to_owned()).collect(),
        actor: actor.to_owned(),
    });
    event(moment.now, cause, event_type, upload.id.0, version, data)
}

/// An event of a declared aggregate in the version that it has after the change; its time is that of the state, as an item's.
pub(super) fn of_declared(
    moment: &Moment,
    cause: &Cause,
    event_type: EventType,
    instance: &Instance,
    changed: Vec<String>,
    actor: &str,
) -> Event {
    let version = moment.token(instance.version);
    let data = EventData::Declared(DeclaredData {
        aggregate: instance.into(),
        changed,
        actor: actor.to_owned(),
    });
    event(
        instance.updated_at,
        cause,
        event_type,
        instance.id.0,
        version,
        data,
    )
}

fn event(
    time: OffsetDateTime,
    cause: &Cause,
    event_type: EventType,
    subject: uuid::Uuid,
    version: VersionToken,
    data: EventData,
) -> Event {
    let mut envelope = Envelope::new(event_type, subject, version, cause.command, time);
    if let Some(TraceHeaders {
        traceparent,
        tracestate,
    }) = cause.trace.clone()
    {
        envelope.traceparent = Some(traceparent);
        envelope.tracestate = tracestate;
    }
    Event { envelope, data }
}

#[cfg(test)]
mod tests {
    use depot_domain::{CommandId, ItemContent, ItemDecision, ItemId, ItemStatus, Owner};
    use depot_schemas::EventType;
    use time::Duration;

    use super::*;

    #[test]
    fn an_event_of_an_item_has_the_time_of_its_state() {
        let created_at = OffsetDateTime::UNIX_EPOCH + Duration::hours(1);
        let content = ItemContent::parse(
            "a".into(),
            String::new(),
            vec![],
            serde_json::Map::new(),
            ItemStatus::Draft,
        );
        let owner = Owner::parse("alice").unwrap();
        let item = Item::create(ItemId::generate(), owner, content.unwrap(), created_at);
        // The transaction began before the one that it had to wait for.
        let moment = Moment {
            epoch: 0,
            now: created_at - Duration::seconds(1),
        };
        let ItemDecision::Changed(deleted, _) = item.delete(moment.now).unwrap() else {
            panic!("nothing changed")
        };
        let cause = Cause {
            command: CommandId::generate(),
            trace: None,
        };
        let event = of_item(
            &moment,
            &cause,
            EventType::ItemDeleted,
            &deleted,
            &["deleted"],
            "alice",
        );
        assert_eq!(event.envelope.time, created_at);
        assert_eq!(event.envelope.time, deleted.updated_at);
    }
}
