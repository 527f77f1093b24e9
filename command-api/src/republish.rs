//! The state told to the log once more, by a snapshot of every item and upload: after the log was lost, so that what is built
//! from it has a start; after the database was set back, so that the views leave the history that is over.
//!
//! One process at a time works on the run, page by page: a page's snapshots and how far the run has come are one transaction,
//! which holds the locks of the aggregates that it tells. So a snapshot stands in the log where its version does, and a process
//! that is killed is followed by one that goes on behind its last page. Beside this, commands go on. What the log has of epochs
//! that are over, and the state has not, is told to be gone: `lost.rs`, which reads it by `log_scan.rs`.

mod log_scan;
mod lost;

pub use log_scan::{LogScan, ScanError};

use std::time::Duration;

use depot_domain::{CommandId, UploadId};
use depot_outbox::overview;
use depot_schemas::topics::Topics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    commands::{CommandError, UnitOfWork, Writer},
    store::{
        self, StoreError,
        republish::{Place, Progress, Stage},
        transaction::ROW_LOCK_TIMEOUT,
    },
};

/// Aggregates of one transaction: whoever changes one of them waits for its end.
const PAGE: i64 = 200;
/// With so many rows waiting for Kafka the run waits too: commands come first.
const MOST_UNPUBLISHED: i64 = 10_000;
/// A process that dies leaves its run for so long.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is looked whether there is a run.
const LOOK: Duration = Duration::from_secs(2);
/// Between two looks at an outbox that is full.
const REST: Duration = Duration::from_millis(200);

/// Why a run does not go on at the moment. It goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    #[error("the state could not be told")]
    Database(#[from] CommandError),
    #[error("the log could not be read for what the state has not")]
    Log(#[from] ScanError),
}

impl From<StoreError> for RepublishError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepublishOutcome {
    /// There is no run, or another process has it.
    Idle,
    /// More waits for Kafka than is good.
    OutboxFull,
    /// A page was told, or a stage ended.
    Told,
    /// The run is at its end.
    Finished,
}

/// Tells the state once more, when it is asked to.
#[derive(Debug, Clone)]
pub struct Republisher {
    writer: Writer,
    log: LogScan,
    topics: Topics,
    holder: Uuid,
}

impl Republisher {
    pub fn new(writer: Writer, log: LogScan, topics: Topics) -> Self {
        Self {
            writer,
            log,
            topics,
            holder: Uuid::now_v7(),
        }
    }

    /// Tells one page, or all that is lost.
    ///
    /// # Errors
    /// [`RepublishError`]; the next step goes on.
    pub async fn step(&self) -> Result<RepublishOutcome, RepublishError> {
        let mut conn = self.writer.connection().await?;
        let is_due = store::republish::is_due(&mut conn, self.holder).await?;
        drop(conn);
        if !is_due {
            return Ok(RepublishOutcome::Idle);
        }
        if !self.has_room().await? {
            return Ok(RepublishOutcome::OutboxFull);
        }
        let mut unit = self.begin().await?;
        let Some(place) = self.take(&mut unit).await? else {
            unit.roll_back().await;
            return Ok(RepublishOutcome::Idle);
        };
        let progress = match place.stage {
            Stage::Items => items(&mut unit, place).await?,
            Stage::Uploads => uploads(&mut unit, place).await?,
            Stage::Lost if unit.moment().epoch > 0 => {
                // Its transactions are its own.
                unit.commit().await?;
                return self.tell_lost().await;
            }
            Stage::Lost | Stage::Done => end(),
        };
        store::republish::advance(unit.conn(), progress).await?;
        unit.commit().await?;
        Ok(match progress.to.stage {
            Stage::Done => RepublishOutcome::Finished,
            _ => RepublishOutcome::Told,
        })
    }

    async fn begin(&self) -> Result<UnitOfWork, CommandError> {
        self.writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await
    }

    async fn take(&self, unit: &mut UnitOfWork) -> Result<Option<Place>, StoreError> {
        store::republish::take(unit.conn(), self.holder, LEASE.as_secs_f64()).await
    }

    async fn has_room(&self) -> Result<bool, StoreError> {
        let overview = overview(self.writer.pool())
            .await
            .map_err(StoreError::doing("look at the outbox"))?;
        let waiting: i64 = overview.shards.iter().map(|shard| shard.rows).sum();
        Ok(waiting < MOST_UNPUBLISHED)
    }

    async fn release(&self) -> Result<(), StoreError> {
        let mut conn = self.writer.connection().await?;
        store::republish::release(&mut conn, self.holder).await
    }
}

async fn items(unit: &mut UnitOfWork, place: Place) -> Result<Progress, CommandError> {
    let items = store::items::lock_page(unit.conn(), place.after, PAGE).await?;
    for item in &items {
        unit.record_item_snapshot(item.into())?;
    }
    let last = items.last().map(|item| item.id.0);
    let mut progress = onward(place, Stage::Uploads, last, items.len());
    progress.items = items.len() as i64;
    Ok(progress)
}

async fn uploads(unit: &mut UnitOfWork, place: Place) -> Result<Progress, CommandError> {
    let ids = store::republish::upload_ids(unit.conn(), place.after, PAGE).await?;
    for id in &ids {
        if let Some(upload) = store::uploads::lock(unit.conn(), UploadId(*id)).await? {
            unit.record_upload_snapshot((&upload).into())?;
        }
    }
    let mut progress = onward(place, Stage::Lost, ids.last().copied(), ids.len());
    progress.uploads = ids.len() as i64;
    Ok(progress)
}

/// Behind the last one of a full page; a page that is not full ends the stage.
fn onward(place: Place, next: Stage, last: Option<Uuid>, told: usize) -> Progress {
    let to = match last {
        Some(after) if told as i64 == PAGE => Place { after, ..place },
        _ => Place {
            stage: next,
            after: Uuid::nil(),
        },
    };
    Progress {
        to,
        items: 0,
        uploads: 0,
        lost: 0,
    }
}

fn end() -> Progress {
    let to = Place {
        stage: Stage::Done,
        after: Uuid::nil(),
    };
    Progress {
        to,
        items: 0,
        uploads: 0,
        lost: 0,
    }
}

/// Runs [`Republisher::step`] until cancelled, a page after the other while there is a run.
pub async fn run(republisher: Republisher, stop: CancellationToken) {
    while let Some(stepped) = stop.run_until_cancelled(Box::pin(republisher.step())).await {
        let pause = match stepped {
            Ok(RepublishOutcome::Told) => continue,
            Ok(RepublishOutcome::Idle) => LOOK,
            Ok(RepublishOutcome::OutboxFull) => REST,
            Ok(RepublishOutcome::Finished) => {
                tracing::info!("the state has been told to the log once more");
                LOOK
            }
            Err(error) => {
                let error = depot_service::problem::chain(&error);
                tracing::warn!(error, "the state is not told at the moment, trying again");
                LOOK
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    if let Err(error) = republisher.release().await {
        tracing::debug!(%error, "another process goes on when the lease of the run has ended");
    }
}
