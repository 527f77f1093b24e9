use std::sync::Arc;

use depot_consumer::{ConsumerSettings, Context, Failure, KeyHandler, Poison, Record};
use depot_domain::{CommandId, InvalidOwner, Owner, UploadId};
use depot_schemas::topics::Topics;
use depot_service::telemetry::{Message, process_failed, process_span};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::record;
use crate::{
    commands::{Actor, CommandError, CompleteUpload, Precondition, Refusal, UseCase as _, Writer},
    store::{Nature, transaction::ROW_LOCK_TIMEOUT},
};

/// Whom the events name that follow from a notification.
const ACTOR: &str = "object store";
/// Messages that are handled at once: each holds a connection of the pool that requests need too.
const AT_ONCE: usize = 4;

/// The settings of the consumer of what the store tells.
pub fn consumer_settings(
    brokers: &str,
    topics: &Topics,
    client_settings: Vec<(String, String)>,
) -> ConsumerSettings {
    let subscribed = [topics.store_notifications()];
    let mut settings = ConsumerSettings::new(brokers, topics.group("store-notifications"), subscribed);
    settings.redrive_topic = Some(topics.redriven("store-notifications"));
    settings.client_settings = client_settings;
    settings
}

/// Completes uploads whose bytes the store says are there.
#[derive(Debug, Clone)]
pub struct StoreNotifications {
    writer: Writer,
    actor: Actor,
    staging: Arc<str>,
    group: Arc<str>,
    permits: Arc<Semaphore>,
}

/// What a notification came to, for one upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completed {
    /// It is received now.
    Now,
    /// It was received or stored before.
    Before,
    /// It has ended otherwise: what lies in staging goes.
    Ended,
    /// No upload has that id.
    Unknown,
}

impl Completed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Now => "completed",
            Self::Before => "completed_before",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

impl StoreNotifications {
    /// # Errors
    /// The name that events are to carry is none.
    pub fn new(writer: Writer, topics: &Topics, staging: &str) -> Result<Self, InvalidOwner> {
        Ok(Self {
            writer,
            actor: Actor {
                subject: Owner::parse(ACTOR)?,
                is_admin: true,
            },
            staging: staging.into(),
            group: topics.group("store-notifications").into(),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// As the client's own `complete`, which may come before, after, or at the same time.
    ///
    /// # Errors
    /// A fault of the database; nothing was done.
    pub async fn complete(&self, id: UploadId) -> Result<Completed, CommandError> {
        let command = CompleteUpload {
            actor: self.actor.clone(),
            id,
            precondition: Precondition::None,
        };
        let mut unit = self.writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await?;
        let completed = match command.execute(&mut unit).await {
            Ok(_) if unit.has_recorded() => Completed::Now,
            Ok(_) => Completed::Before,
            Err(CommandError::Refused(Refusal::UploadNotFound(_))) => Completed::Unknown,
            Err(CommandError::Refused(_)) => Completed::Ended,
            Err(error) => {
                unit.roll_back().await;
                return Err(error);
            }
        };
        match completed {
            Completed::Now => unit.commit().await?,
            _ => unit.roll_back().await,
        }
        metrics::counter!("depot_store_notifications_total", "outcome" => completed.as_str()).increment(1);
        Ok(completed)
    }
}

impl KeyHandler for StoreNotifications {
    type Event = Vec<UploadId>;

    fn decode(&self, record: &Record) -> Result<Vec<UploadId>, Poison> {
        record::arrived(record.payload.as_deref(), &self.staging)
    }

    async fn handle(&self, arrived: &Vec<UploadId>, record: &Record, _: &Context) -> Result<(), Failure> {
        if arrived.is_empty() {
            return Ok(());
        }
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        // The store knows nothing of the request that signed its URL: this is where a trace begins.
        let span = process_span(&Message {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            group: &self.group,
            id: None,
            traceparent: None,
            tracestate: None,
        });
        let work = async {
            for &id in arrived {
                let completed = self.complete(id).await.map_err(|error| failure(error, record))?;
                tracing::debug!(upload.id = %id, ?completed, "the store told of an upload's bytes");
            }
            Ok(())
        };
        let done: Result<(), Failure> = work.instrument(span.clone()).await;
        if done.is_err() {
            process_failed(&span, "_OTHER");
        }
        done
    }
}

/// What a database answers may pass, and the upload waits for it. A row that cannot be understood will not.
fn failure(error: CommandError, record: &Record) -> Failure {
    let place = format!(
        "completing at {} [{}] offset {}",
        record.topic, record.partition, record.offset
    );
    match error.nature() {
        Some(Nature::Contention | Nature::LockTimeout | Nature::Away | Nature::Unfit) => {
            Failure::transient(place, error)
        }
        Some(Nature::Fault) | None => Failure::poison(
            "completion_fault",
            format!("{place}: {}", depot_service::problem::chain(&error)),
        ),
    }
}
