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

#[cfg(test)]
mod client_tests {
    use rdkafka::statistics::{Broker, ConsumerGroup, Partition, Statistics, Topic};

    use super::is_member;
    use crate::ConsumerError;
    use crate::unconnected::{TOPIC, group, metrics_of, own};

    fn cgrp(state: &str, join_state: &str, stateage: i64) -> ConsumerGroup {
        ConsumerGroup {
            state: state.into(),
            join_state: join_state.into(),
            stateage,
            ..ConsumerGroup::default()
        }
    }

    fn with_broker(nodeid: i32, state: &str) -> Statistics {
        let broker = Broker {
            nodeid,
            state: state.into(),
            ..Broker::default()
        };
        Statistics {
            brokers: [("b".to_owned(), broker)].into(),
            ..Statistics::default()
        }
    }

    /// Statistics that know these ends of partition 0: of what is committed, and of all.
    fn with_ends(ls_offset: i64, hi_offset: i64) -> Statistics {
        let partition = Partition {
            ls_offset,
            hi_offset,
            ..Partition::default()
        };
        let topic = Topic {
            partitions: [(0, partition)].into(),
            ..Topic::default()
        };
        Statistics {
            topics: [(TOPIC.to_owned(), topic)].into(),
            ..Statistics::default()
        }
    }

    #[test]
    fn a_member_has_its_share_or_was_left_without_one_for_a_heartbeat() {
        assert!(is_member(&cgrp("up", "steady", 0)));
        assert!(is_member(&cgrp("up", "init", 5_000)));
        assert!(!is_member(&cgrp("up", "init", 4_999)));
        assert!(!is_member(&cgrp("query-coord", "init", 60_000)));
        assert!(!is_member(&cgrp("up", "wait-assign-call", 60_000)));
    }

    #[tokio::test]
    async fn a_member_has_joined_once_the_statistics_tell_so_and_stays_one() {
        let group = group(true);
        let told = |cgrp| Statistics {
            cgrp,
            ..Statistics::default()
        };
        group.note_statistics(&told(None));
        group.note_statistics(&told(Some(cgrp("up", "init", 0))));
        assert!(!group.status().joined);
        group.note_statistics(&told(Some(cgrp("up", "steady", 0))));
        assert!(group.status().joined);
        group.note_statistics(&told(Some(cgrp("up", "init", 0))));
        assert!(group.status().joined);
    }

    #[tokio::test]
    async fn kafka_is_unreachable_until_a_broker_that_is_known_by_its_number_is_up() {
        let group = group(true);
        group.note_unreachable("first");
        group.note_unreachable("second");
        let unreachable = || group.status().kafka.map(|trouble| trouble.message);
        assert_eq!(unreachable().as_deref(), Some("first"));
        // The address that it was told, which is no broker yet.
        group.note_statistics(&with_broker(-1, "UP"));
        group.note_statistics(&with_broker(0, "DOWN"));
        assert_eq!(unreachable().as_deref(), Some("first"));
        group.note_statistics(&with_broker(0, "UP"));
        assert_eq!(unreachable(), None);
    }

    #[tokio::test]
    async fn the_end_of_a_partition_is_that_of_what_is_committed_where_that_is_known() {
        let group = group(true);
        let (progress, _alive) = own(&group, 0);
        progress.start_at(2);
        group.note_statistics(&Statistics::default());
        group.note_statistics(&with_ends(-1_001, -1_001));
        assert_eq!(progress.lag(), None);
        group.note_statistics(&with_ends(-1_001, 9));
        assert_eq!(progress.lag(), Some(7));
        let text = metrics_of(|| group.note_statistics(&with_ends(5, 9)));
        assert_eq!(progress.lag(), Some(3));
        let sample = r#"depot_consumer_lag_messages{group="g",topic="things.v1",partition="0"} 3"#;
        assert!(text.lines().any(|line| line == sample), "{text}");
        group.note_statistics(&with_ends(0, 9));
        assert_eq!(progress.lag(), Some(0), "all of it is of open transactions");
    }

    #[tokio::test]
    async fn partitions_are_counted_and_those_that_a_person_must_look_at() {
        let group = group(true);
        let (_sound, _alive) = own(&group, 0);
        let (broken, _alive) = own(&group, 1);
        broken.stop("offset 7 is gone".into());
        let text = metrics_of(|| group.note_statistics(&Statistics::default()));
        for sample in [
            r#"depot_consumer_assigned_partitions{group="g"} 2"#,
            r#"depot_consumer_stopped_partitions{group="g"} 1"#,
        ] {
            assert!(text.lines().any(|line| line == sample), "{text}");
        }
    }

    #[tokio::test]
    async fn the_first_error_stops_the_consumer_and_is_kept() {
        let group = group(true);
        let error = |message: &str| ConsumerError::Internal {
            group: "g".into(),
            message: message.into(),
        };
        group.fail(error("first"));
        group.fail(error("second"));
        assert!(group.stop.is_cancelled());
        let first = "consumer group g: first";
        assert_eq!(group.status().failed.as_deref(), Some(first));
        assert_eq!(
            group.take_failure().map(|error| error.to_string()).as_deref(),
            Some(first)
        );
    }

    #[tokio::test]
    async fn a_consumer_is_idle_when_the_last_of_its_tasks_has_ended() {
        let group = group(true);
        let (_, first) = own(&group, 0);
        let (_, second) = own(&group, 1);
        drop(first);
        assert!(!group.is_idle());
        drop(second);
        assert!(group.is_idle());
    }

    #[tokio::test]
    async fn the_status_has_all_partitions_in_their_order_and_only_a_keyed_consumer_commits_them() {
        for commits_to_kafka in [true, false] {
            let group = group(commits_to_kafka);
            let _alive: Vec<_> = [2, 0, 1].map(|partition| own(&group, partition).1).into();
            let partitions = group.status().partitions;
            let numbers: Vec<_> = partitions.iter().map(|status| status.partition).collect();
            assert_eq!(numbers, [0, 1, 2]);
            assert_eq!(group.committable().len(), if commits_to_kafka { 3 } else { 0 });
        }
    }
}
