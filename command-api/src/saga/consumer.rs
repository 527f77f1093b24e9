//! The saga's ear: facts of files, and deletions of items.

use std::{sync::Arc, time::Duration};

use depot_consumer::{ConsumerSettings, Context, Failure, KeyHandler, Poison, Record};
use depot_domain::{CommandId, ItemId, RejectReason, Thumbnail, UploadId};
use depot_sabotage::Break;
use depot_schemas::{
    DecodeErrorClass, Entity, Event, EventData, EventType, FileOutcome, header, topics::Topics,
};
use depot_service::telemetry::{Message, process_failed, process_span};
use serde::{
    Deserialize as _,
    de::{IntoDeserializer as _, value::Error},
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument as _;

use super::{SagaOutcome, end_uploads_of_item, file_rejected, file_removed, file_stored};
use crate::{
    commands::{CommandError, Writer},
    store::{Nature, StoreError},
};

/// Events that are handled at once: each holds a connection of the pool that requests need too.
const AT_ONCE: usize = 4;
/// Most of what is read here is of no concern, and nobody counts the milliseconds of the rest: what has come in this time is
/// fetched together, which takes less of the brokers.
const FEW_FETCHES: [(&str, &str); 2] = [("fetch.min.bytes", "16384"), ("fetch.wait.max.ms", "100")];
/// Longer than the waits for the locks of an event and its statements.
const LIMIT: Duration = Duration::from_secs(60);

/// The settings of the saga's consumer; facts of different uploads are handled side by side.
pub fn consumer_settings(
    brokers: &str,
    topics: &Topics,
    client_settings: Vec<(String, String)>,
) -> ConsumerSettings {
    let subscribed = [topics.events(Entity::Files), topics.events(Entity::Items)];
    let mut settings = ConsumerSettings::new(brokers, topics.group("saga"), subscribed);
    settings.redrive_topic = Some(topics.redriven("saga"));
    let few = FEW_FETCHES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.client_settings = few.into_iter().chain(client_settings).collect();
    settings
}

/// Handles what the saga is told.
#[derive(Debug, Clone)]
pub struct SagaEvents {
    writer: Writer,
    group: Arc<str>,
    topics: Topics,
    permits: Arc<Semaphore>,
}

/// What the saga is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    FileStored {
        upload: UploadId,
        object_key: String,
        thumbnail: Option<Thumbnail>,
    },
    FileRejected {
        upload: UploadId,
        reason: RejectReason,
    },
    FileRemoved {
        upload: UploadId,
    },
    ItemDeleted {
        item: ItemId,
    },
    /// An event that changes nothing here.
    OfNoConcern,
}

/// A fact, the event that tells it, and the trace it belongs to.
#[derive(Debug)]
pub struct Told {
    fact: Fact,
    event: Event,
}

impl SagaEvents {
    pub fn new(writer: Writer, topics: Topics) -> Self {
        Self {
            writer,
            group: topics.group("saga").into(),
            topics,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    async fn act(&self, fact: &Fact, cause: CommandId) -> Result<SagaOutcome, CommandError> {
        let writer = &self.writer;
        match fact {
            Fact::FileStored {
                upload,
                object_key,
                thumbnail,
            } => file_stored(writer, *upload, object_key, thumbnail.clone(), cause).await,
            Fact::FileRejected { upload, reason } => file_rejected(writer, *upload, *reason, cause).await,
            Fact::FileRemoved { upload } => file_removed(writer, *upload, cause).await,
            Fact::ItemDeleted { item } => match end_uploads_of_item(writer, *item, cause).await? {
                0 => Ok(SagaOutcome::NothingToDo),
                _ => Ok(SagaOutcome::RemovalRequested),
            },
            Fact::OfNoConcern => Ok(SagaOutcome::NothingToDo),
        }
    }
}

impl KeyHandler for SagaEvents {
    type Event = Told;

    /// All but what happens to items that stay, of which there is most by far, and what only tells a state once more: of a
    /// deleted item the saga has begun with the deletion, and goes on by its deadlines.
    fn concerns(&self, record: &Record) -> bool {
        let of_no_concern = [
            EventType::ItemCreated,
            EventType::ItemUpdated,
            EventType::ItemFileAttached,
            EventType::ItemSnapshot,
        ];
        let name = record.header_str(header::TYPE);
        !of_no_concern.iter().any(|known| name == Some(known.name()))
    }

    fn decode(&self, record: &Record) -> Result<Told, Poison> {
        let entity = self.topics.entity(record.source_topic()).ok_or_else(|| {
            Poison::new(
                "wrong_topic",
                format!("{} is no topic of this consumer", record.topic),
            )
        })?;
        let key = record.key.as_deref();
        let event = depot_schemas::decode(entity, key, |name| record.header(name), record.payload.as_deref())
            .map_err(|error| Poison::new(error.class.as_str(), error.detail))?;
        Ok(Told {
            fact: fact(&event)?,
            event,
        })
    }

    async fn handle(&self, told: &Told, record: &Record, _: &Context) -> Result<(), Failure> {
        let is_missed = depot_sabotage::has(Break::Stuck) && matches!(told.fact, Fact::FileStored { .. });
        if told.fact == Fact::OfNoConcern || is_missed {
            return Ok(());
        }
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let envelope = &told.event.envelope;
        let id = envelope.id.to_string();
        let span = process_span(&Message {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            group: &self.group,
            id: Some(&id),
            traceparent: envelope.traceparent.as_deref(),
            tracestate: envelope.tracestate.as_deref(),
        });
        // The event is the command that causes what follows from it.
        let cause = CommandId(envelope.id.0);
        // The server's own limits end nothing when it is stopped, or the network swallows.
        let acted = timeout(LIMIT, self.act(&told.fact, cause).instrument(span.clone())).await;
        match acted.unwrap_or_else(|_| Err(StoreError::Silent(LIMIT).into())) {
            Ok(SagaOutcome::UnknownUpload) => {
                process_failed(&span, "unknown_upload");
                Err(Failure::poison(
                    "unknown_upload",
                    format!("no upload {} was ever requested here", envelope.subject),
                ))
            }
            Ok(outcome) => {
                tracing::debug!(
                    event.id = %envelope.id,
                    event.type_ = %envelope.event_type,
                    saga.outcome = ?outcome,
                    "saga handled an event"
                );
                Ok(())
            }
            Err(error) => {
                process_failed(&span, error.nature().unwrap_or(Nature::Fault).as_str());
                Err(failure(error, record))
            }
        }
    }
}

/// What a database answers may pass, and the event is needed, unless it refuses the values. Those, and a row or a saga that
/// cannot be understood, will not pass, and are somebody's to look at.
fn failure(error: CommandError, record: &Record) -> Failure {
    let place = format!(
        "saga at {} [{}] offset {}",
        record.topic, record.partition, record.offset
    );
    match error.nature() {
        Some(Nature::Contention | Nature::LockTimeout | Nature::Away | Nature::Unfit) => {
            Failure::transient(place, error)
        }
        Some(Nature::Fault) | None => Failure::poison(
            "saga_fault",
            format!("{place}: {}", depot_service::problem::chain(&error)),
        ),
    }
}

fn fact(event: &Event) -> Result<Fact, Poison> {
    let invalid = |detail: &str| Poison::new(DecodeErrorClass::InvalidData.as_str(), detail);
    match (&event.data, event.envelope.event_type) {
        (EventData::Item(data), EventType::ItemDeleted) => Ok(Fact::ItemDeleted {
            item: ItemId(data.item.id),
        }),
        (EventData::File(data), _) => {
            let upload = UploadId(data.file.upload_id);
            match data.file.outcome {
                FileOutcome::Stored => {
                    let object_key = data.file.object_key.clone();
                    let object_key = object_key.ok_or_else(|| invalid("a stored file has no object_key"))?;
                    let thumbnail = data.file.thumbnail.clone().map(Thumbnail::try_from).transpose();
                    let thumbnail = thumbnail
                        .map_err(|fault| invalid(&format!("thumbnail{} {}", fault.pointer, fault.detail)))?;
                    Ok(Fact::FileStored {
                        upload,
                        object_key,
                        thumbnail,
                    })
                }
                FileOutcome::Rejected => {
                    let reason = data.file.reason.as_deref().unwrap_or_default();
                    let reason = RejectReason::deserialize(reason.into_deserializer());
                    let reason = reason.map_err(|error: Error| invalid(&error.to_string()))?;
                    Ok(Fact::FileRejected { upload, reason })
                }
                FileOutcome::Removed => Ok(Fact::FileRemoved { upload }),
            }
        }
        _ => Ok(Fact::OfNoConcern),
    }
}
