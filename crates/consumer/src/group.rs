//! The state of one consumer: what is assigned to it and how it fares.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use futures::future::BoxFuture;
use rdkafka::consumer::BaseConsumer;
use rdkafka::statistics::{ConsumerGroup, Statistics};
use time::OffsetDateTime;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::attempt::Assignment;
use crate::dead_letter::DeadLetters;
use crate::error::{ConsumerError, chain};
use crate::metrics;
use crate::partition::{Gate, PartitionReader};
use crate::progress::Progress;
use crate::rebalance::GroupContext;
use crate::settings::ConsumerSettings;
use crate::status::{ConsumerStatus, Trouble};

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
pub(crate) struct Owned {
    pub(crate) progress: Arc<Progress>,
    pub(crate) drain: CancellationToken,
    pub(crate) cancel: CancellationToken,
    pub(crate) gate: Arc<Gate>,
    pub(crate) abort: AbortHandle,
    /// Closed when the task is gone, with all it held.
    pub(crate) ended: Receiver<()>,
}

pub(crate) type Place = (Arc<str>, i32);

/// The state of one consumer, shared by its thread, its tasks and its handles.
pub(crate) struct Group {
    pub(crate) settings: Arc<ConsumerSettings>,
    pub(crate) name: Arc<str>,
    pub(crate) stop: CancellationToken,
    pub(crate) consumer: OnceLock<Weak<BaseConsumer<GroupContext>>>,
    pub(crate) driver: Box<dyn Driver>,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) runtime: tokio::runtime::Handle,
    owned: Mutex<HashMap<Place, Owned>>,
    pub(crate) generation: AtomicU64,
    pub(crate) joined: AtomicBool,
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
            owned: Mutex::default(),
            generation: AtomicU64::new(0),
            joined: AtomicBool::new(false),
            kafka: Mutex::default(),
            failure: Mutex::default(),
            failed: OnceLock::new(),
        }
    }

    /// The assigned partitions.
    pub(crate) fn owned(&self) -> MutexGuard<'_, HashMap<Place, Owned>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> ConsumerStatus {
        let mut partitions: Vec<_> = self
            .owned()
            .values()
            .map(|owned| owned.progress.status())
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
        self.owned()
            .values()
            .map(|owned| Arc::clone(&owned.progress))
            .collect()
    }

    /// Whether every task has ended.
    pub(crate) fn is_idle(&self) -> bool {
        self.owned()
            .values()
            .all(|owned| owned.ended.try_recv() == Err(TryRecvError::Disconnected))
    }

    /// No broker can be reached; the first report of it is kept until one can.
    pub(crate) fn note_unreachable(&self, reason: &str) {
        let mut kafka = self.kafka.lock().unwrap_or_else(PoisonError::into_inner);
        kafka.get_or_insert_with(|| {
            tracing::warn!(messaging.consumer.group.name = %self.name, reason, "no broker can be reached");
            Trouble {
                since: OffsetDateTime::now_utc(),
                message: reason.to_owned(),
            }
        });
    }

    pub(crate) fn report_partitions(&self) {
        let owned = self.owned();
        let stopped = owned.values().filter(|one| one.progress.is_stopped()).count();
        metrics::set_partitions(&self.name, owned.len(), stopped);
    }

    pub(crate) fn note_statistics(&self, statistics: &Statistics) {
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
        for owned in self.owned().values() {
            let progress = &owned.progress;
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
