//! Batches of partitions that come together share a transaction, and each keeps its own outcome.
//!
//! A transaction takes what gathered while those before it were in flight: nobody waits for a clock. A partition has one
//! batch at a time, so no two of a transaction are of one partition. Where a batch is refused by the database, or what is
//! made of it panics, each of them has a transaction of its own, so that the one at fault is found.

use depot_consumer::{Batch, BatchOutcome, Failure};
use depot_schemas::Event;
use depot_service::{problem::chain, shutdown::Shutdown};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::{batch_store::BatchStore, metrics};

/// Batches that wait: more partitions than this wait for a place here.
const WAITING: usize = 64;

/// How batches share transactions.
#[derive(Debug, Clone, Copy)]
pub struct SharingSettings {
    /// Transactions that are in flight at once.
    pub lanes: usize,
    /// A transaction takes no further batch once it has so many events.
    pub max_events: usize,
}

/// Where batches gather. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedWrites {
    queue: mpsc::Sender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch<Event>,
    span: Span,
    reply: oneshot::Sender<Result<BatchOutcome, Failure>>,
}

impl SharedWrites {
    /// Starts what takes the batches. It ends after all other tasks of the process, with what it has begun.
    pub fn start(store: BatchStore, settings: SharingSettings, shutdown: &Shutdown) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let taking = take(store, settings, waiting, shutdown.last_token());
        shutdown.spawn_last("shared writes", taking);
        Self { queue }
    }

    /// Stores a batch together with what else has gathered. None if it is to have a transaction of its own.
    ///
    /// # Errors
    /// As [`BatchStore::store`].
    pub async fn store(&self, batch: &Batch<Event>) -> Result<Option<BatchOutcome>, Failure> {
        let (reply, outcome) = oneshot::channel();
        let waiting = Waiting {
            batch: batch.clone(),
            span: Span::current(),
            reply,
        };
        // At the end of the process nobody takes it any more.
        if self.queue.send(waiting).await.is_err() {
            return Ok(None);
        }
        outcome.await.ok().transpose()
    }
}

async fn take(
    store: BatchStore,
    settings: SharingSettings,
    mut waiting: mpsc::Receiver<Waiting>,
    stop: CancellationToken,
) {
    let mut lanes = JoinSet::new();
    loop {
        // First the lane, then the batches: they gather while it is waited for.
        while lanes.len() >= settings.lanes.max(1) {
            note_end(lanes.join_next().await);
        }
        let first = tokio::select! {
            first = waiting.recv() => first,
            () = stop.cancelled() => None,
        };
        let Some(first) = first else { break };
        let gathered = gather(first, &mut waiting, settings.max_events);
        metrics::shared_batches(gathered.len());
        let span = gathered
            .first()
            .map_or_else(Span::none, |first| first.span.clone());
        let store = store.clone();
        lanes.spawn(async move { carry_out(&store, gathered).await }.instrument(span));
        while let Some(ended) = lanes.try_join_next() {
            note_end(Some(ended));
        }
    }
    while let Some(ended) = lanes.join_next().await {
        note_end(Some(ended));
    }
}

fn gather(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>, max_events: usize) -> Vec<Waiting> {
    let mut events = first.batch.events.len();
    let mut gathered = vec![first];
    while events < max_events {
        let Ok(next) = waiting.try_recv() else { break };
        events += next.batch.events.len();
        gathered.push(next);
    }
    gathered
}

/// Stores what gathered. Whose reply is dropped has a transaction of its own.
async fn carry_out(store: &BatchStore, gathered: Vec<Waiting>) {
    let batches: Vec<_> = gathered.iter().map(|waiting| waiting.batch.clone()).collect();
    let outcomes = match store.store(&batches).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(Failure::Poison(_)) if gathered.len() > 1 => {
            metrics::shared_transaction_failed("poison");
            return;
        }
        Err(failure) => each(failure, gathered.len()),
    };
    for (Waiting { reply, .. }, outcome) in gathered.into_iter().zip(outcomes) {
        if reply.send(outcome).is_err() {
            tracing::debug!("the partition was taken away meanwhile: who has it now finds out by its offset");
        }
    }
}

/// The failure for each of them: the cause is told to the first, its text to the others.
fn each(failure: Failure, count: usize) -> Vec<Result<BatchOutcome, Failure>> {
    let message = chain(&failure);
    let others = std::iter::repeat_with(|| Failure::Transient {
        message: message.clone(),
        source: None,
    });
    std::iter::once(failure)
        .chain(others)
        .take(count)
        .map(Err)
        .collect()
}

/// What panicked in company comes again alone, where it is taken for poison.
fn note_end(ended: Option<Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = ended {
        metrics::shared_transaction_failed("panic");
        tracing::error!(%error, "a transaction of several batches ended early; each has one of its own now");
    }
}
