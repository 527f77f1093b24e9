use depot_domain::{Item, Upload, VersionToken};
use depot_schemas::{Envelope, Event, EventData, EventType, ItemData, UploadData};
use depot_service::telemetry::TraceHeaders;

use super::{Moment, unit_of_work::Cause};

/// An event of an item in the version that it has after the change.
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
    event(moment, cause, event_type, item.id.0, version, data)
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
    event(moment, cause, event_type, upload.id.0, version, data)
}

fn event(
    moment: &Moment,
    cause: &Cause,
    event_type: EventType,
    subject: uuid::Uuid,
    version: VersionToken,
    data: EventData,
) -> Event {
    let mut envelope = Envelope::new(event_type, subject, version, cause.command, moment.now);
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
