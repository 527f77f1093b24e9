//! What the events on the uploads topic ask of the uploader.

use std::sync::Arc;

use depot_consumer::{Context, Failure, KeyHandler, Poison, Record};
use depot_domain::{CommandId, ContentType, Sha256, SizeBytes};
use depot_schemas::{DecodeErrorClass, Entity, EventData, EventType, UploadState, decode, header};
use depot_service::telemetry::{Message, process_failed, process_span};
use tracing::Instrument;

use crate::{error::UploaderError, files::Files, remove_upload::remove_upload, store_upload::store_upload};

/// Handles the events of uploads; those of one upload in order, different ones side by side.
#[derive(Debug, Clone)]
pub struct UploadEvents {
    files: Files,
    group: Arc<str>,
}

/// What an event asks for. The upload's version is the ordinal of its token.
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
        Self {
            group: files.topics.group("uploader").into(),
            files,
        }
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
        // What is asked in a later epoch is asked later, whatever its version: receipts keep the newest question that they answer.
        let upload = UploadState {
            version: event.envelope.version.ordinal(),
            ..data.upload
        };
        // The event is the command that causes what follows.
        let (upload, cause) = (Box::new(upload), CommandId(event.envelope.id.0));
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
        if *asked == Asked::Nothing {
            return Ok(());
        }
        let span = process_span(&Message {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            group: &self.group,
            id: record.header_str(header::ID),
            traceparent: record.header_str(header::TRACEPARENT),
            tracestate: record.header_str(header::TRACESTATE),
        });
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
        let done = work.instrument(span.clone()).await;
        if let Err(error) = &done {
            process_failed(&span, error.kind());
        }
        done.map_err(Failure::from)
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
