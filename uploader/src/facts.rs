//! The events that the uploader writes.

use depot_domain::{CommandId, VersionToken};
use depot_outbox::{NewEvent, append};
use depot_schemas::{Envelope, Event, EventData, EventType, FileData, FileState};
use depot_service::telemetry;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{error::UploaderError, fail_point::FailPoint as _, files::Files};

/// Appends a fact about a file, caused by the event with the id `cause`.
pub(crate) async fn tell(
    files: &Files,
    connection: &mut PgConnection,
    event_type: EventType,
    file: FileState,
    cause: CommandId,
) -> Result<(), UploaderError> {
    let upload = file.upload_id;
    let epoch = sqlx::query_scalar!("SELECT epoch FROM uploader.restore_epoch")
        .fetch_one(&mut *connection)
        .fail_point()
        .await
        .map_err(UploaderError::database("read the restore epoch", upload))?;
    let version = VersionToken::new(epoch, file.version);
    let mut envelope = Envelope::new(event_type, upload, version, cause, OffsetDateTime::now_utc());
    if let Some(trace) = telemetry::current_trace_headers() {
        envelope.traceparent = Some(trace.traceparent);
        envelope.tracestate = trace.tracestate;
    }
    let event = Event {
        envelope,
        data: EventData::File(FileData { file }),
    };
    let failed = |source| UploaderError::Append { upload, source };
    let event = NewEvent::from_event(&files.topics, &event).map_err(|invalid| failed(invalid.into()))?;
    // The shard is known by the upload, too.
    append(connection, vec![event])
        .fail_point()
        .await
        .map(drop)
        .map_err(failed)
}
