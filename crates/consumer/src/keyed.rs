//! Records by key: the keys of a partition side by side, each in order, behind one watermark.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use depot_sabotage::Break;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::{JoinError, JoinSet};

use crate::attempt::{Assignment, Interrupted, decode_caught, handle_caught};
use crate::error::{ConsumerError, chain};
use crate::group::Driver;
use crate::handler::{Failure, KeyHandler, Poison};
use crate::offset_source::CommittedOffsets;
use crate::ordered_commit::OrderedCommit;
use crate::partition::PartitionReader;
use crate::record::Record;
use crate::retry::{ParkedKeys, Retries, RetryTopics, Turn};

/// Drives a [`KeyHandler`].
pub(crate) struct KeyedDriver<H, P> {
    pub(crate) handler: Arc<H>,
    pub(crate) retries: Option<Arc<RetryTopics<P>>>,
}

impl<H: KeyHandler, P: ParkedKeys> Driver for KeyedDriver<H, P> {
    fn commits_to_kafka(&self) -> bool {
        true
    }

    fn run(
        &self,
        reader: PartitionReader,
        assignment: Assignment,
    ) -> BoxFuture<'static, Result<(), ConsumerError>> {
        let (handler, retries) = (Arc::clone(&self.handler), self.retries.clone());
        run(reader, handler, retries, assignment).boxed()
    }
}

async fn run<H: KeyHandler, P: ParkedKeys>(
    mut reader: PartitionReader,
    handler: Arc<H>,
    topics: Option<Arc<RetryTopics<P>>>,
    assignment: Assignment,
) -> Result<(), ConsumerError> {
    let mut lanes = Lanes::new(handler, assignment.clone());
    // Before the offset is loaded: what a former owner parks has then been read, or is refused.
    if let Some(topics) = topics {
        match Retries::begin(topics, &assignment).await {
            Ok(retries) => lanes.retries = Some(retries),
            Err(Interrupted) => return Ok(()),
        }
    }
    let offsets = CommittedOffsets {
        consumer: Arc::clone(reader.consumer()),
        start: assignment.settings.start,
    };
    if assignment.position(&mut reader, &offsets).await.is_err() {
        return Ok(());
    }
    let out_of_range = loop {
        tokio::select! {
            biased;
            () = assignment.drain.cancelled() => break None,
            Some(ended) = lanes.running.join_next(), if !lanes.running.is_empty() => lanes.finish(ended)?,
            read = reader.next(), if lanes.has_room() => match read {
                Ok(record) => lanes.take(assignment.settings.traced_back(record)),
                Err(error) => break Some(error),
            },
        }
        lanes.start_waiting();
    };
    // What runs is finished, however this ends; the poll thread drops it if that takes too long.
    while let Some(ended) = lanes.running.join_next().await {
        lanes.finish(ended)?;
    }
    if let Some(error) = out_of_range {
        assignment.progress.stop(reader.describe(error).await);
        assignment.drain.cancelled().await;
    }
    Ok(())
}

/// Which records must run one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Key(Vec<u8>),
    /// A record without a key has no order with any other: a lane of its own, by its offset.
    Keyless(i64),
}

impl Lane {
    fn of(record: &Record) -> Self {
        record.key.clone().map_or(Self::Keyless(record.offset), Self::Key)
    }
}

struct Ended {
    lane: Lane,
    offset: i64,
    result: Result<(), End>,
}

/// Why a record was not passed.
enum End {
    Interrupted,
    Fatal(ConsumerError),
}

impl From<Interrupted> for End {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// The records of a partition that are taken and not passed.
struct Lanes<H, P> {
    handler: Arc<H>,
    retries: Option<Retries<P>>,
    assignment: Assignment,
    running: JoinSet<Ended>,
    /// A lane is here while one of its records runs or waits; its queue holds those that wait.
    queues: HashMap<Lane, VecDeque<Record>>,
    /// Lanes of which none runs and one waits, in the order in which they became so.
    waiting: VecDeque<Lane>,
    commit: OrderedCommit,
}

impl<H: KeyHandler, P: ParkedKeys> Lanes<H, P> {
    fn new(handler: Arc<H>, assignment: Assignment) -> Self {
        Self {
            handler,
            retries: None,
            assignment,
            running: JoinSet::new(),
            queues: HashMap::new(),
            waiting: VecDeque::new(),
            commit: OrderedCommit::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.commit.width() < self.assignment.settings.max_window
    }

    fn report_unfinished(&self) {
        let progress = &self.assignment.progress;
        progress.set_unfinished(self.commit.width(), self.commit.oldest_timestamp_ms());
    }

    fn take(&mut self, record: Record) {
        if !self.commit.begin(record.offset, record.timestamp_ms) {
            return;
        }
        if depot_sabotage::has(Break::OffsetFirst)
            && let Some(watermark) = self.commit.complete(record.offset)
        {
            self.assignment.progress.advance_to(watermark);
        }
        if !self.handler.concerns(&record) {
            self.assignment.progress.metrics.processed.increment(1);
            return self.pass(record.offset);
        }
        self.report_unfinished();
        let lane = Lane::of(&record);
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.push_back(record);
        } else {
            self.queues.insert(lane.clone(), VecDeque::from([record]));
            self.waiting.push_back(lane);
        }
    }

    fn pass(&mut self, offset: i64) {
        if let Some(watermark) = self.commit.complete(offset) {
            self.assignment.progress.advance_to(watermark);
        }
        self.report_unfinished();
    }

    fn start_waiting(&mut self) {
        while self.running.len() < self.assignment.settings.max_concurrency {
            let Some(lane) = self.waiting.pop_front() else {
                return;
            };
            let Some(record) = self.queues.get_mut(&lane).and_then(VecDeque::pop_front) else {
                continue;
            };
            let (handler, assignment) = (Arc::clone(&self.handler), self.assignment.clone());
            let retries = self.retries.clone();
            self.running.spawn(async move {
                let result = process(&*handler, &assignment, retries.as_ref(), &record).await;
                Ended {
                    lane,
                    offset: record.offset,
                    result,
                }
            });
        }
    }

    fn finish(&mut self, ended: Result<Ended, JoinError>) -> Result<(), ConsumerError> {
        let ended = ended.map_err(|error| ConsumerError::Internal {
            group: self.assignment.settings.group.clone(),
            message: format!("the task of a record ended without a result: {error}"),
        })?;
        match ended.result {
            Ok(()) => {}
            // Its lane is never started again, so nothing passes it: the partition is ending.
            Err(End::Interrupted) => return Ok(()),
            Err(End::Fatal(error)) => return Err(error),
        }
        self.pass(ended.offset);
        if self
            .queues
            .get(&ended.lane)
            .is_some_and(|queue| !queue.is_empty())
        {
            self.waiting.push_back(ended.lane);
        } else {
            self.queues.remove(&ended.lane);
        }
        Ok(())
    }
}

/// One record until it is passed: handled, in a retry topic, or in the dead letters.
async fn process<H: KeyHandler, P: ParkedKeys>(
    handler: &H,
    assignment: &Assignment,
    retries: Option<&Retries<P>>,
    record: &Record,
) -> Result<(), End> {
    if let Some(retries) = retries
        && retries.turn(record).await? == Turn::Pass
    {
        return Ok(());
    }
    if depot_sabotage::hits(Break::OffsetFirst, record.payload.as_deref().unwrap_or_default()) {
        // Until what was done beforehand is committed.
        tokio::time::sleep(assignment.settings.commit_interval * 4).await;
        depot_sabotage::die();
    }
    let poison = match decode_caught(|| handler.decode(record)) {
        Ok(event) => match attempt(handler, assignment, retries, record, &event).await? {
            Outcome::Handled => None,
            Outcome::Moved => return Ok(()),
            Outcome::Poison(poison) => Some(poison),
        },
        Err(poison) => Some(poison),
    };
    if let Some(poison) = poison {
        assignment.dead_letter(record, &poison).await?;
    }
    if let Some(retries) = retries {
        retries.release(record).await?;
    }
    Ok(())
}

/// What the handler made of a record.
enum Outcome {
    Handled,
    /// It waits in a retry topic.
    Moved,
    Poison(Poison),
}

async fn attempt<H: KeyHandler, P: ParkedKeys>(
    handler: &H,
    assignment: &Assignment,
    retries: Option<&Retries<P>>,
    record: &Record,
    event: &H::Event,
) -> Result<Outcome, End> {
    let metrics = &assignment.progress.metrics;
    let mut attempts = assignment.attempts();
    loop {
        let context = attempts.next_context();
        let started = Instant::now();
        let outcome = handle_caught(handler.handle(event, record, &context)).await;
        metrics.handle_seconds.record(started.elapsed().as_secs_f64());
        match outcome {
            Ok(()) => {
                metrics.processed.increment(1);
                return Ok(Outcome::Handled);
            }
            Err(Failure::Poison(poison)) => return Ok(Outcome::Poison(poison)),
            Err(failure @ (Failure::Transient { .. } | Failure::RetryLater { .. })) => {
                if let (Some(retries), Failure::RetryLater { .. }) = (retries, &failure) {
                    return Ok(match retries.later(record, &chain(&failure)).await? {
                        Ok(()) => Outcome::Moved,
                        Err(poison) => Outcome::Poison(poison),
                    });
                }
                metrics.transient.increment(1);
                attempts.pause(chain(&failure)).await?;
            }
            Err(Failure::Fatal { message, source }) => {
                return Err(End::Fatal(assignment.fatal(record.offset, message, source)));
            }
        }
    }
}

#[cfg(test)]
mod client_tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::{KeyHandler, Lanes, process};
    use crate::handler::{Context, Failure, Poison};
    use crate::record::Record;
    use crate::retry::{NothingParked, Retries, RetryTier, RetryTopics};
    use crate::unconnected::{TOPIC, assignment, settings};

    /// Handles as many records as it has permits for.
    struct Gated {
        permits: Semaphore,
        handled: Mutex<Vec<i64>>,
    }

    impl Gated {
        fn new(permits: usize) -> Arc<Self> {
            Arc::new(Self {
                permits: Semaphore::new(permits),
                handled: Mutex::default(),
            })
        }

        fn handled(&self) -> Vec<i64> {
            self.handled.lock().unwrap().clone()
        }
    }

    impl KeyHandler for Gated {
        type Event = ();

        fn decode(&self, _: &Record) -> Result<(), Poison> {
            Ok(())
        }

        fn concerns(&self, record: &Record) -> bool {
            record.key.as_deref() != Some(b"others".as_slice())
        }

        async fn handle(&self, (): &(), record: &Record, _: &Context) -> Result<(), Failure> {
            self.permits.acquire().await.unwrap().forget();
            self.handled.lock().unwrap().push(record.offset);
            Ok(())
        }
    }

    fn record(offset: i64, key: Option<&str>) -> Record {
        Record {
            topic: TOPIC.into(),
            offset,
            key: key.map(|key| key.as_bytes().to_vec()),
            ..Record::default()
        }
    }

    /// Starts what may run, and takes in the end of one record.
    async fn step(lanes: &mut Lanes<Gated, NothingParked>) {
        lanes.start_waiting();
        let ended = tokio::time::timeout(Duration::from_secs(30), lanes.running.join_next());
        let ended = ended.await.expect("it ends").expect("one runs");
        lanes.finish(ended).unwrap();
        lanes.start_waiting();
    }

    #[tokio::test]
    async fn so_many_are_taken_so_many_run_and_a_key_runs_one_after_the_other() {
        let mut settings = settings();
        (settings.max_concurrency, settings.max_window) = (2, 4);
        let (handler, assignment) = (Gated::new(0), assignment(settings));
        let progress = Arc::clone(&assignment.progress);
        progress.start_at(0);
        let mut lanes = Lanes::new(Arc::clone(&handler), assignment);
        for (offset, key) in [(0, "a"), (1, "a"), (2, "b")] {
            lanes.take(record(offset, Some(key)));
        }
        lanes.take(record(1, Some("a")));
        assert_eq!(progress.status().unfinished, 3, "a repeat is not taken");
        assert!(lanes.has_room());
        lanes.take(record(3, Some("c")));
        assert!(!lanes.has_room());
        lanes.start_waiting();
        assert_eq!(lanes.running.len(), 2);

        let mut passed = Vec::new();
        for _ in 0..4 {
            handler.permits.add_permits(1);
            step(&mut lanes).await;
            passed.push(progress.status().next_offset);
        }
        let handled = handler.handled();
        let at = |offset| handled.iter().position(|have| *have == offset).unwrap();
        assert!(at(0) < at(1) && handled.len() == 4, "{handled:?}");
        assert_eq!(passed.last(), Some(&Some(4)));
        assert!(passed.is_sorted());
        assert_eq!(progress.status().unfinished, 0);
        assert!(lanes.has_room() && lanes.queues.is_empty() && lanes.running.is_empty());
    }

    #[tokio::test]
    async fn records_without_a_key_wait_for_no_other() {
        let (handler, assignment) = (Gated::new(0), assignment(settings()));
        let mut lanes: Lanes<_, NothingParked> = Lanes::new(handler, assignment);
        for offset in 0..3 {
            lanes.take(record(offset, None));
        }
        lanes.start_waiting();
        assert_eq!(lanes.running.len(), 3);
    }

    #[tokio::test]
    async fn a_record_of_no_concern_is_passed_in_its_place_and_not_handled() {
        let (handler, assignment) = (Gated::new(1), assignment(settings()));
        let progress = Arc::clone(&assignment.progress);
        progress.start_at(0);
        let mut lanes: Lanes<_, NothingParked> = Lanes::new(Arc::clone(&handler), assignment);
        lanes.take(record(0, Some("others")));
        assert_eq!(progress.status().next_offset, Some(1));
        lanes.take(record(1, Some("a")));
        lanes.take(record(2, Some("others")));
        assert_eq!(
            progress.status().next_offset,
            Some(1),
            "the one before it is not done"
        );
        assert_eq!(progress.status().unfinished, 2);
        step(&mut lanes).await;
        assert_eq!(progress.status().next_offset, Some(3));
        assert_eq!(handler.handled(), [1]);
        assert_eq!(progress.status().unfinished, 0);
    }

    #[tokio::test]
    async fn a_record_is_handled_unless_it_was_at_its_end_before() {
        let handler = Gated::new(10);
        let assignment = assignment(settings());
        let nothing: Option<&Retries<NothingParked>> = None;
        assert!(
            process(&*handler, &assignment, nothing, &record(1, Some("a")))
                .await
                .is_ok()
        );
        let retries = async |topic: &str| {
            let tiers = vec![RetryTier {
                topic: topic.to_owned(),
                delay: Duration::ZERO,
            }];
            let parked = NothingParked;
            let begun = Retries::begin(Arc::new(RetryTopics { tiers, parked }), &assignment).await;
            begun.unwrap()
        };
        let in_source = retries("retries").await;
        let of_source = record(2, Some("a"));
        assert!(
            process(&*handler, &assignment, Some(&in_source), &of_source)
                .await
                .is_ok()
        );
        let in_tier = retries(TOPIC).await;
        let copy = Record {
            headers: crate::dead_letter::with_origin(&record(3, Some("a")), "g"),
            ..record(3, Some("a"))
        };
        assert!(
            process(&*handler, &assignment, Some(&in_tier), &copy)
                .await
                .is_ok()
        );
        assert_eq!(handler.handled(), [1, 2]);
    }
}
