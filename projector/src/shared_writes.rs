//! Batches of partitions that come together share a transaction, and each keeps its own outcome.
//!
//! A transaction takes what gathered while those before it were in flight: nobody waits for a clock. One that is full goes
//! beside them, so that a backlog is worked off by as many as there are lanes; one that is not waits for them, and grows: two
//! small ones cost twice as much as one that is twice as large. For the same reason its lane rests after it, for as long as it
//! took and a few milliseconds at most: meanwhile more gathers. Redis is told of a transaction beside the next one.
//!
//! A partition has one batch at a time, so no two of a transaction are of one partition. Where a batch is refused by the
//! database, or what is made of it panics, each of them has a transaction of its own, so that the one at fault is found.

use std::{sync::Arc, time::Duration};

use depot_consumer::{Batch, Failure};
use depot_schemas::Event;
use depot_service::{problem::chain, shutdown::Shutdown};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::{
    batch_store::{BatchStore, Told},
    event_spans::StoredBatch,
    metrics,
    postgres_writer::Written,
};

/// Batches that wait: more partitions than this wait for a place here.
const WAITING: usize = 64;
/// Committed transactions of which Redis is being told, for each lane.
const TOLD: usize = 2;

/// How batches share transactions.
#[derive(Debug, Clone, Copy)]
pub struct SharingSettings {
    /// Transactions that are in flight at once.
    pub lanes: usize,
    /// A transaction takes no further batch once it has so many events.
    pub max_events: usize,
    /// The longest that a lane rests after a transaction that was not full.
    pub longest_rest: Duration,
}

impl SharingSettings {
    /// How long a lane rests after a transaction that took `elapsed`.
    fn rest(&self, is_full: bool, elapsed: Duration) -> Duration {
        match is_full {
            true => Duration::ZERO,
            false => elapsed.min(self.longest_rest),
        }
    }
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
    reply: oneshot::Sender<Result<StoredBatch, Failure>>,
}

impl SharedWrites {
    /// Starts what takes the batches. It ends after all other tasks of the process, with what it has begun.
    pub fn start(store: BatchStore, settings: SharingSettings, shutdown: &Shutdown) -> Self {
        Self::start_until(store, settings, shutdown, shutdown.last_token())
    }

    /// As [`start`](Self::start), to be ended by `stop` too.
    pub fn start_until(
        store: BatchStore,
        settings: SharingSettings,
        shutdown: &Shutdown,
        stop: CancellationToken,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let taking = take(store, settings, waiting, stop);
        shutdown.spawn_last("shared writes", taking);
        Self { queue }
    }

    /// Stores a batch together with what else has gathered. None if it is to have a transaction of its own.
    ///
    /// # Errors
    /// As [`BatchStore::store`].
    pub async fn store(&self, batch: &Batch<Event>) -> Result<Option<StoredBatch>, Failure> {
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
    let lanes = Lanes::new(settings);
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() >= lanes.count * (1 + TOLD) {
            note_end(under_way.join_next().await);
        }
        let first = tokio::select! {
            first = waiting.recv() => first,
            () = stop.cancelled() => None,
        };
        let Some(first) = first else { break };
        let (gathered, lane) = lanes.gather(first, &mut waiting).await;
        let is_full = lanes.is_full(&gathered);
        metrics::shared_batches(gathered.len());
        let span = gathered
            .first()
            .map_or_else(Span::none, |first| first.span.clone());
        let store = store.clone();
        let rest = move |elapsed| settings.rest(is_full, elapsed);
        under_way.spawn(async move { carry_out(&store, gathered, lane, rest).await }.instrument(span));
        while let Some(ended) = under_way.try_join_next() {
            note_end(Some(ended));
        }
    }
    while let Some(ended) = under_way.join_next().await {
        note_end(Some(ended));
    }
}

/// Where transactions run.
struct Lanes {
    free: Arc<Semaphore>,
    count: usize,
    max_events: usize,
}

impl Lanes {
    fn is_full(&self, gathered: &[Waiting]) -> bool {
        let events = gathered.iter().map(|waiting| waiting.batch.events.len());
        events.sum::<usize>() >= self.max_events
    }

    fn new(settings: SharingSettings) -> Self {
        let count = settings.lanes.max(1);
        Self {
            free: Arc::new(Semaphore::new(count)),
            count,
            max_events: settings.max_events,
        }
    }

    /// Takes what waits and what comes until there is a lane for it: any lane if it fills a transaction, otherwise one of
    /// those that are all free.
    async fn gather(
        &self,
        first: Waiting,
        waiting: &mut mpsc::Receiver<Waiting>,
    ) -> (Vec<Waiting>, Option<OwnedSemaphorePermit>) {
        let mut events = first.batch.events.len();
        let mut gathered = vec![first];
        loop {
            while events < self.max_events
                && let Ok(next) = waiting.try_recv()
            {
                events += next.batch.events.len();
                gathered.push(next);
            }
            let is_full = events >= self.max_events;
            let wanted = if is_full { 1 } else { self.count };
            tokio::select! {
                biased;
                // Never closed.
                lanes = Arc::clone(&self.free).acquire_many_owned(wanted as u32) => {
                    return (gathered, lanes.ok().and_then(|mut lanes| lanes.split(1)));
                }
                Some(next) = waiting.recv(), if !is_full => {
                    events += next.batch.events.len();
                    gathered.push(next);
                }
            }
        }
    }
}

/// Stores what gathered, and lets go of the lane after its rest. Whose reply is dropped has a transaction of its own.
async fn carry_out(
    store: &BatchStore,
    gathered: Vec<Waiting>,
    lane: Option<OwnedSemaphorePermit>,
    rest: impl FnOnce(Duration) -> Duration,
) {
    let batches: Vec<_> = gathered.iter().map(|waiting| waiting.batch.clone()).collect();
    let began = Instant::now();
    let written = store.write(&batches).await;
    let rest = rest(began.elapsed());
    let resting = async {
        if !rest.is_zero() {
            sleep(rest).await;
        }
        drop(lane);
    };
    tokio::join!(tell(store, gathered, written), resting);
}

/// Tells Redis and those that wait what became of a transaction.
async fn tell(store: &BatchStore, gathered: Vec<Waiting>, written: Result<Written, Failure>) {
    let outcomes = match written {
        Ok(written) => {
            let Told { outcomes, steps } = store.tell(written).await;
            let stored = outcomes.into_iter().map(|outcome| StoredBatch { outcome, steps });
            stored.map(Ok).collect()
        }
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
fn each(failure: Failure, count: usize) -> Vec<Result<StoredBatch, Failure>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_rests_as_long_as_it_worked_and_not_longer_than_it_may() {
        let settings = SharingSettings {
            lanes: 2,
            max_events: 500,
            longest_rest: Duration::from_millis(5),
        };
        let rest = |is_full, elapsed| settings.rest(is_full, Duration::from_millis(elapsed)).as_millis();
        assert_eq!(rest(false, 3), 3);
        assert_eq!(rest(false, 60), 5);
        assert_eq!(rest(true, 3), 0);
    }
}
