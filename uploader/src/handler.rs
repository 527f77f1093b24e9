//! What the events on the uploads topic ask of the uploader.

use depot_consumer::{Context, Failure, KeyHandler, Poison, Record};
use depot_domain::CommandId;
use depot_schemas::{Entity, EventData, EventType, UploadState, decode, header};
use depot_service::telemetry;
use tracing::Instrument;

use crate::{files::Files, remove_upload::remove_upload, store_upload::store_upload};

/// Handles the events of uploads; those of one upload in order, different ones side by side.
#[derive(Debug, Clone)]
pub struct UploadEvents {
    files: Files,
}

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Verify and store.
    Store(Box<UploadState>, CommandId),
    /// Whatever was or will be sent has to go.
    Remove(Box<UploadState>, CommandId),
    /// An event about an upload that needs nothing done here.
    Nothing,
}

impl UploadEvents {
    pub fn new(files: Files) -> Self {
        Self { files }
    }
}

impl KeyHandler for UploadEvents {
    type Event = Asked;

    fn decode(&self, record: &Record) -> Result<Asked, Poison> {
        let lookup = |name: &str| record.header(name);
        let event = decode(
            Entity::Uploads,
            record.key.as_deref(),
            lookup,
            record.payload.as_deref(),
        )
        .map_err(|error| Poison::new(error.class.as_str(), error.detail))?;
        let EventData::Upload(data) = event.data else {
            return Err(Poison::new("wrong_topic", "an event of another entity"));
        };
        // The event is the command that causes what follows.
        let (upload, cause) = (Box::new(data.upload), CommandId(event.envelope.id.0));
        Ok(match event.envelope.event_type {
            EventType::UploadReceived => Asked::Store(upload, cause),
            EventType::UploadExpired | EventType::UploadAborted | EventType::FileRemovalRequested => {
                Asked::Remove(upload, cause)
            }
            _ => Asked::Nothing,
        })
    }

    async fn handle(&self, asked: &Asked, record: &Record, context: &Context) -> Result<(), Failure> {
        let span = tracing::info_span!(
            "process",
            otel.name = format!("process {}", record.topic),
            otel.kind = "consumer",
            messaging.system = "kafka",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = %record.topic,
            messaging.destination.partition.id = record.partition,
            messaging.kafka.offset = record.offset,
        );
        telemetry::set_parent_from(
            &span,
            record.header_str(header::TRACEPARENT),
            record.header_str(header::TRACESTATE),
        );
        let work = async {
            match asked {
                Asked::Store(upload, cause) => {
                    let stored = store_upload(&self.files, upload, *cause, context).await?;
                    tracing::info!(upload.id = %upload.id, ?stored, "upload concluded");
                }
                Asked::Remove(upload, cause) => {
                    remove_upload(&self.files, upload, *cause).await?;
                    tracing::info!(upload.id = %upload.id, "upload let go");
                }
                Asked::Nothing => {}
            }
            Ok(())
        };
        work.instrument(span).await
    }
}
