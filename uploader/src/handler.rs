//! What the events on the uploads topic ask of the uploader.

use depot_consumer::{Context, Failure, KeyHandler, Poison, Record};
use depot_domain::{CommandId, ContentType, Sha256, SizeBytes};
use depot_schemas::{DecodeErrorClass, Entity, EventData, EventType, UploadState, decode, header};
use depot_service::telemetry;
use tracing::Instrument;

use crate::{error::UploaderError, files::Files, remove_upload::remove_upload, store_upload::store_upload};

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
            EventType::UploadReceived => {
                check(&upload)?;
                Asked::Store(upload, cause)
            }
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
            messaging.message.id = record.header_str(header::ID),
        );
        telemetry::set_parent_from(
            &span,
            record.header_str(header::TRACEPARENT),
            record.header_str(header::TRACESTATE),
        );
        let work = async {
            match asked {
                Asked::Store(upload, cause) => {
                    let stored =
                        until_cancelled(context, upload, store_upload(&self.files, upload, *cause)).await?;
                    tracing::info!(upload.id = %upload.id, ?stored, "upload concluded");
                }
                Asked::Remove(upload, cause) => {
                    until_cancelled(context, upload, remove_upload(&self.files, upload, *cause)).await?;
                    tracing::info!(upload.id = %upload.id, "upload let go");
                }
                Asked::Nothing => {}
            }
            Ok::<_, UploaderError>(())
        };
        work.instrument(span).await.map_err(Failure::from)
    }
}

/// Drops the work when the partition is taken away: whoever has it next does it again.
async fn until_cancelled<T>(
    context: &Context,
    upload: &UploadState,
    work: impl Future<Output = Result<T, UploaderError>>,
) -> Result<T, UploaderError> {
    let done = context.cancelled().run_until_cancelled(Box::pin(work)).await;
    done.unwrap_or(Err(UploaderError::Cancelled { upload: upload.id }))
}

/// What is copied into requests and keys below: a value that no upload can have fails there each time.
fn check(upload: &UploadState) -> Result<(), Poison> {
    let size = SizeBytes::parse(upload.size_bytes).err();
    let sha256 = Sha256::parse(upload.sha256.clone()).err();
    let content_type = ContentType::parse(upload.content_type.clone()).err();
    match size.or(sha256).or(content_type) {
        None => Ok(()),
        Some(fault) => {
            let detail = format!("upload{} {}", fault.pointer, fault.detail);
            Err(Poison::new(DecodeErrorClass::InvalidData.as_str(), detail))
        }
    }
}
