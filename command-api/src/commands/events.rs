use depot_domain::{Item, Upload, VersionToken};
use depot_schemas::{Envelope, Event, EventData, EventType, ItemData, UploadData};
use depot_service::telemetry::TraceHeaders;

use super::unit_of_work::Origin;

/// An event of an item in the version that it has after the change.
pub(super) fn of_item(
    origin: &Origin,
    event_type: EventType,
    item: &Item,
    changed: &[&str],
    actor: &str,
) -> Event {
    let version = VersionToken::new(origin.epoch, item.version);
    let data = EventData::Item(ItemData {
        item: item.into(),
        changed: changed.iter().map(|&name| name.to_owned()).collect(),
        actor: actor.to_owned(),
    });
    event(origin, event_type, item.id.0, version, data)
}

/// An event of an upload in the version that it has after the change.
pub(super) fn of_upload(
    origin: &Origin,
    event_type: EventType,
    upload: &Upload,
    changed: &[&str],
    actor: &str,
) -> Event {
    let version = VersionToken::new(origin.epoch, upload.version);
    let data = EventData::Upload(UploadData {
        upload: upload.into(),
        changed: changed.iter().map(|&name| name.to_owned()).collect(),
        actor: actor.to_owned(),
    });
    event(origin, event_type, upload.id.0, version, data)
}

fn event(
    origin: &Origin,
    event_type: EventType,
    subject: uuid::Uuid,
    version: VersionToken,
    data: EventData,
) -> Event {
    let mut envelope = Envelope::new(event_type, subject, version, origin.causation, origin.now);
    if let Some(TraceHeaders {
        traceparent,
        tracestate,
    }) = origin.trace.clone()
    {
        envelope.traceparent = Some(traceparent);
        envelope.tracestate = tracestate;
    }
    Event { envelope, data }
}
