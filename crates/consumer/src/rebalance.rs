//! The group as this process sees it: what is assigned, what happens when that changes. The callbacks run on the poll
//! thread.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::{ConsumerGroup, Statistics};
use rdkafka::types::RDKafkaRespErr;
use time::OffsetDateTime;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::attempt::Assignment;
use crate::commit;
use crate::dead_letter::DeadLetters;
use crate::error::{ConsumerError, chain};
use crate::metrics;
use crate::partition::{Gate, PartitionReader};
use crate::progress::Progress;
use crate::settings::ConsumerSettings;
use crate::status::{ConsumerStatus, Trouble};

/// How long a task that was aborted may take to be gone.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// How long a member that has no partition waits for one before it counts as a stand-by: one heartbeat interval.
const STANDBY_AFTER_MS: i64 = 5_000;

/// What is done with the records of an assigned partition.
pub(crate) trait Driver: Send + Sync + 'static {
    /// Whether the partition's watermark is committed to Kafka.
    fn commits_to_kafka(&self) -> bool;

    /// Works on one assignment until it is drained or cancelled.
    fn run(
        &self,
        reader: PartitionReader,
        assignment: Assignment,
    ) -> BoxFuture<'static, Result<(), ConsumerError>>;
}

/// An assigned partition and its task.
struct Member {
    progress: Arc<Progress>,
    drain: CancellationToken,
    cancel: CancellationToken,
    gate: Arc<Gate>,
    abort: AbortHandle,
    /// Closed when the task is gone, with all it held.
    ended: Receiver<()>,
}

type Place = (Arc<str>, i32);

/// The state of one consumer, shared by its thread, its tasks and its handles.
pub(crate) struct Group {
    pub(crate) settings: Arc<ConsumerSettings>,
    pub(crate) name: Arc<str>,
    pub(crate) stop: CancellationToken,
    pub(crate) consumer: OnceLock<Weak<BaseConsumer<GroupContext>>>,
    driver: Box<dyn Driver>,
    dead_letters: DeadLetters,
    runtime: tokio::runtime::Handle,
    members: Mutex<HashMap<Place, Member>>,
    generation: AtomicU64,
    joined: AtomicBool,
    kafka: Mutex<Option<Trouble>>,
    failure: Mutex<Option<ConsumerError>>,
    failed: OnceLock<String>,
}

impl Group {
    pub(crate) fn new(
        settings: ConsumerSettings,
        driver: Box<dyn Driver>,
        dead_letters: DeadLetters,
        runtime: tokio::runtime::Handle,
        stop: CancellationToken,
    ) -> Self {
        Self {
            name: settings.group.as_str().into(),
            settings: Arc::new(settings),
            stop,
            consumer: OnceLock::new(),
            driver,
            dead_letters,
            runtime,
            members: Mutex::default(),
            generation: AtomicU64::new(0),
            joined: AtomicBool::new(false),
            kafka: Mutex::default(),
            failure: Mutex::default(),
            failed: OnceLock::new(),
        }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<Place, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> ConsumerStatus {
        let mut partitions: Vec<_> = self
            .members()
            .values()
            .map(|member| member.progress.status())
            .collect();
        partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        ConsumerStatus {
            group: Arc::clone(&self.name),
            joined: self.joined.load(Ordering::Acquire),
            partitions,
            kafka: self.kafka.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            failed: self.failed.get().cloned(),
        }
    }

    /// Stops the consumer with an error; the first one is kept.
    pub(crate) fn fail(&self, error: ConsumerError) {
        if self.failed.set(chain(&error)).is_ok() {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        self.stop.cancel();
    }

    pub(crate) fn take_failure(&self) -> Option<ConsumerError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The progress of every assigned partition whose watermark goes to Kafka.
    pub(crate) fn committable(&self) -> Vec<Arc<Progress>> {
        if !self.driver.commits_to_kafka() {
            return Vec::new();
        }
        self.members()
            .values()
            .map(|member| Arc::clone(&member.progress))
            .collect()
    }

    /// Whether every task has ended.
    pub(crate) fn is_idle(&self) -> bool {
        self.members()
            .values()
            .all(|member| member.ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected))
    }

    /// Ends every task and commits what is done: the last act before the group is left.
    pub(crate) fn end_all(&self, consumer: &Arc<BaseConsumer<GroupContext>>) {
        let members = self.members().drain().map(|(_, member)| member).collect();
        self.end(consumer, members, false);
    }

    fn assign(self: &Arc<Self>, consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) {
        metrics::count_rebalance(&self.name, "assign");
        self.joined.store(true, Ordering::Release);
        let shared = self.consumer.get().and_then(Weak::upgrade);
        // Each partition's task starts its fetcher, once it knows where. The group must not wait for that.
        if let Err(source) = consumer.incremental_assign(&TopicPartitionList::new()) {
            self.fail(ConsumerError::ClientFailed {
                group: self.settings.group.clone(),
                source: Box::new(source),
            });
            return;
        }
        let Some(shared) = shared else { return };
        for element in list.elements() {
            let (topic, partition) = (Arc::from(element.topic()), element.partition());
            let gate = Arc::new(Gate::default());
            match PartitionReader::split(&shared, Arc::clone(&topic), partition, Arc::clone(&gate)) {
                Some(reader) => self.start(topic, partition, reader, gate),
                None => self.fail(ConsumerError::Internal {
                    group: self.settings.group.clone(),
                    message: format!("the client has no queue for {topic} [{partition}]"),
                }),
            }
        }
        self.report_partitions();
    }

    fn start(self: &Arc<Self>, topic: Arc<str>, partition: i32, reader: PartitionReader, gate: Arc<Gate>) {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let instruments = metrics::PartitionMetrics::of(&self.name, &topic);
        let progress = Arc::new(Progress::new(
            Arc::clone(&topic),
            partition,
            generation,
            instruments,
        ));
        tracing::info!(
            messaging.consumer.group.name = %self.name,
            messaging.destination.name = %topic,
            messaging.destination.partition.id = partition,
            generation,
            "partition assigned"
        );
        let assignment = Assignment {
            settings: Arc::clone(&self.settings),
            progress: Arc::clone(&progress),
            dead_letters: self.dead_letters.clone(),
            drain: self.stop.child_token(),
            cancel: CancellationToken::new(),
        };
        let (drain, cancel) = (assignment.drain.clone(), assignment.cancel.clone());
        let (alive, ended) = sync_channel(0);
        let work = self.driver.run(reader, assignment);
        let abort = self
            .runtime
            .spawn(supervise(Arc::downgrade(self), work, alive))
            .abort_handle();
        let member = Member {
            progress,
            drain,
            cancel,
            gate,
            abort,
            ended,
        };
        if let Some(former) = self.members().insert((topic, partition), member) {
            // A revoke that the client never announced; the former task must not live on beside the new one.
            former.gate.close();
            former.cancel.cancel();
            former.abort.abort();
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) {
        let lost = consumer.assignment_lost();
        metrics::count_rebalance(&self.name, if lost { "lost" } else { "revoke" });
        let mut taken = Vec::new();
        for element in list.elements() {
            taken.extend(
                self.members()
                    .remove(&(element.topic().into(), element.partition())),
            );
        }
        if let Some(consumer) = self.consumer.get().and_then(Weak::upgrade) {
            self.end(&consumer, taken, lost);
        }
        if let Err(error) = consumer.incremental_unassign(&started(consumer, list)) {
            tracing::warn!(messaging.consumer.group.name = %self.name, error.message = %error, "unassign failed");
        }
        self.report_partitions();
    }

    /// Cancels the generation of these partitions, waits until their tasks are gone, and commits what they finished,
    /// unless the partitions are somebody else's already.
    fn end(&self, consumer: &Arc<BaseConsumer<GroupContext>>, members: Vec<Member>, lost: bool) {
        for member in &members {
            member.gate.close();
            member.drain.cancel();
            member.cancel.cancel();
            if lost {
                member.abort.abort();
            }
            tracing::info!(
                messaging.consumer.group.name = %self.name,
                messaging.destination.name = %member.progress.topic,
                messaging.destination.partition.id = member.progress.partition,
                generation = member.progress.generation,
                lost,
                "partition given up"
            );
        }
        let deadline = Instant::now() + self.settings.revoke_grace;
        for member in members.iter().filter(|member| !ends_by(member, deadline)) {
            member.abort.abort();
            if !ends_by(member, Instant::now() + ABORT_GRACE) {
                tracing::error!(
                    messaging.destination.name = %member.progress.topic,
                    messaging.destination.partition.id = member.progress.partition,
                    "the handler blocks its thread and can't be dropped; nothing of it is committed"
                );
            }
        }
        if !lost && self.driver.commits_to_kafka() {
            let done: Vec<_> = members
                .iter()
                .map(|member| Arc::clone(&member.progress))
                .collect();
            commit::and_wait(consumer, &self.name, &done);
        }
        for member in &members {
            metrics::set_lag(
                &self.name,
                &member.progress.topic,
                member.progress.partition,
                0,
                0.0,
            );
        }
    }

    fn report_partitions(&self) {
        let members = self.members();
        let stopped = members
            .values()
            .filter(|member| member.progress.is_stopped())
            .count();
        metrics::set_partitions(&self.name, members.len(), stopped);
    }

    fn note_statistics(&self, statistics: &Statistics) {
        if statistics.cgrp.as_ref().is_some_and(is_member) {
            self.joined.store(true, Ordering::Release);
        }
        if statistics
            .brokers
            .values()
            .any(|broker| broker.nodeid >= 0 && broker.state == "UP")
        {
            *self.kafka.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let now = OffsetDateTime::now_utc();
        for member in self.members().values() {
            let progress = &member.progress;
            let known = statistics
                .topics
                .get(&*progress.topic)
                .and_then(|topic| topic.partitions.get(&progress.partition))
                .map(|partition| {
                    if partition.ls_offset >= 0 {
                        partition.ls_offset
                    } else {
                        partition.hi_offset
                    }
                });
            if let Some(end) = known {
                progress.set_end(end);
            }
            if let Some(lag) = progress.lag() {
                metrics::set_lag(
                    &self.name,
                    &progress.topic,
                    progress.partition,
                    lag,
                    progress.lag_seconds(now),
                );
            }
        }
        self.report_partitions();
    }
}

/// Whether the client is in the group, as far as its statistics tell. By KIP-848 it doesn't tell of a member that the
/// broker has taken in and given nothing, so one counts that has heard nothing else from its coordinator for a while.
fn is_member(group: &ConsumerGroup) -> bool {
    group.join_state == "steady"
        || (group.state == "up" && group.join_state == "init" && group.stateage >= STANDBY_AFTER_MS)
}

/// Those of a list whose fetchers were started: the client refuses to give up others.
fn started(consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) -> TopicPartitionList {
    let Ok(all) = consumer.assignment() else {
        return list.clone();
    };
    let mut started = TopicPartitionList::new();
    for element in list.elements() {
        if all.find_partition(element.topic(), element.partition()).is_some() {
            started.add_partition(element.topic(), element.partition());
        }
    }
    started
}

fn ends_by(member: &Member, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    member.ended.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
}

/// Runs a partition's work, and reports how it ended. `alive` is dropped after all that the work held.
async fn supervise(
    group: Weak<Group>,
    work: BoxFuture<'static, Result<(), ConsumerError>>,
    alive: SyncSender<()>,
) {
    let _alive = alive;
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    let Some(group) = group.upgrade() else { return };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => group.fail(error),
        Err(_panic) => group.fail(ConsumerError::Internal {
            group: group.settings.group.clone(),
            message: "the task of a partition panicked".to_owned(),
        }),
    }
}

/// Hands the client's callbacks to the [`Group`].
pub(crate) struct GroupContext {
    pub(crate) group: Arc<Group>,
}

impl ClientContext for GroupContext {
    fn stats(&self, statistics: Statistics) {
        self.group.note_statistics(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            let mut kafka = self.group.kafka.lock().unwrap_or_else(PoisonError::into_inner);
            kafka.get_or_insert_with(|| {
                tracing::warn!(messaging.consumer.group.name = %self.group.name, reason, "no broker can be reached");
                Trouble { since: OffsetDateTime::now_utc(), message: reason.to_owned() }
            });
        } else {
            tracing::debug!(messaging.consumer.group.name = %self.group.name, error.message = %error, reason, "client error");
        }
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.group.assign(consumer, list),
            _ => self.group.revoke(consumer, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, list: &TopicPartitionList) {
        commit::note_result(&self.group, result, list);
    }
}
