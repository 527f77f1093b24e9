//! What happens when partitions are assigned and taken away. The callbacks run on the poll thread.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use tokio_util::sync::CancellationToken;

use crate::attempt::Assignment;
use crate::commit;
use crate::error::ConsumerError;
use crate::group::{Group, Owned};
use crate::metrics;
use crate::partition::{Gate, PartitionReader};
use crate::progress::Progress;

/// How long a task that was aborted may take to be gone.
const ABORT_GRACE: Duration = Duration::from_secs(1);

impl Group {
    /// Ends every task and commits what is done: the last act before the group is left.
    pub(crate) fn end_all(&self, consumer: &Arc<BaseConsumer<GroupContext>>) {
        let all = self.owned().drain().map(|(_, owned)| owned).collect();
        self.end(consumer, all, false);
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
        let owned = Owned {
            progress,
            drain,
            cancel,
            gate,
            abort,
            ended,
        };
        if let Some(former) = self.owned().insert((topic, partition), owned) {
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
                self.owned()
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
    fn end(&self, consumer: &Arc<BaseConsumer<GroupContext>>, given_up: Vec<Owned>, lost: bool) {
        for owned in &given_up {
            owned.gate.close();
            owned.drain.cancel();
            owned.cancel.cancel();
            if lost {
                owned.abort.abort();
            }
            tracing::info!(
                messaging.consumer.group.name = %self.name,
                messaging.destination.name = %owned.progress.topic,
                messaging.destination.partition.id = owned.progress.partition,
                generation = owned.progress.generation,
                lost,
                "partition given up"
            );
        }
        let deadline = Instant::now() + self.settings.revoke_grace;
        for owned in given_up.iter().filter(|owned| !ends_by(owned, deadline)) {
            owned.abort.abort();
            wait_until_dropped(owned);
        }
        if !lost && self.driver.commits_to_kafka() {
            let done: Vec<_> = given_up.iter().map(|owned| Arc::clone(&owned.progress)).collect();
            commit::and_wait(consumer, &self.name, &done, commit::LAST_COMMIT_DEADLINE);
        }
        for owned in &given_up {
            metrics::set_lag(
                &self.name,
                &owned.progress.topic,
                owned.progress.partition,
                0,
                0.0,
            );
        }
    }
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

/// Waits for a task that was aborted, and says so where it does not go. What it may still do comes to nothing.
fn wait_until_dropped(owned: &Owned) {
    if !ends_by(owned, Instant::now() + ABORT_GRACE) {
        tracing::error!(
            messaging.destination.name = %owned.progress.topic,
            messaging.destination.partition.id = owned.progress.partition,
            "the handler blocks its thread and can't be dropped; nothing of it is committed"
        );
    }
}

fn ends_by(owned: &Owned, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    owned.ended.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
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
            self.group.note_unreachable(reason);
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

#[cfg(test)]
mod client_tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;
    use std::time::{Duration, Instant};

    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use rdkafka::client::ClientContext as _;
    use rdkafka::consumer::ConsumerContext as _;
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};
    use rdkafka::statistics::{ConsumerGroup, Statistics};
    use rdkafka::{Offset, TopicPartitionList};

    use super::{GroupContext, ends_by, supervise};
    use crate::ConsumerError;
    use crate::unconnected::{TOPIC, group, own};

    /// What a consumer says of the work on a partition that ended like this.
    async fn failed_by(work: BoxFuture<'static, Result<(), ConsumerError>>) -> Option<String> {
        let group = group(true);
        let (alive, ended) = sync_channel(0);
        supervise(Arc::downgrade(&group), work, alive).await;
        assert!(ended.recv().is_err(), "the task is gone");
        group.status().failed
    }

    #[tokio::test]
    async fn work_that_fails_or_panics_stops_the_consumer_and_work_that_ends_does_not() {
        assert_eq!(failed_by(async { Ok(()) }.boxed()).await, None);
        let error = ConsumerError::Internal {
            group: "g".into(),
            message: "broken".into(),
        };
        let failed = failed_by(async { Err(error) }.boxed()).await;
        assert_eq!(failed.as_deref(), Some("consumer group g: broken"));
        let panicked = failed_by(async { panic!("of a bug") }.boxed()).await;
        assert!(panicked.is_some_and(|text| text.contains("panicked")));
    }

    #[tokio::test]
    async fn a_task_that_is_gone_need_not_be_waited_for_and_one_that_lives_is_until_the_deadline() {
        let group = group(true);
        let (_, alive) = own(&group, 0);
        let (_, gone) = own(&group, 1);
        drop(gone);
        let owned = group.owned();
        let soon = Instant::now() + Duration::from_millis(50);
        assert!(!ends_by(&owned[&(TOPIC.into(), 0)], soon));
        assert!(Instant::now() >= soon);
        assert!(ends_by(&owned[&(TOPIC.into(), 1)], Instant::now()));
        drop(alive);
    }

    #[tokio::test]
    async fn what_the_client_tells_comes_to_the_group() {
        let group = group(true);
        let (progress, _alive) = own(&group, 0);
        let context = GroupContext {
            group: Arc::clone(&group),
        };
        context.error(KafkaError::Global(RDKafkaErrorCode::Resolve), "one broker");
        assert_eq!(group.status().kafka, None);
        context.error(
            KafkaError::Global(RDKafkaErrorCode::AllBrokersDown),
            "2/2 are down",
        );
        assert_eq!(
            group.status().kafka.map(|t| t.message).as_deref(),
            Some("2/2 are down")
        );

        let steady = ConsumerGroup {
            join_state: "steady".into(),
            ..ConsumerGroup::default()
        };
        context.stats(Statistics {
            cgrp: Some(steady),
            ..Statistics::default()
        });
        assert!(group.status().joined);

        progress.start_at(5);
        progress.advance_to(7);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(TOPIC, 0, Offset::Offset(7)).unwrap();
        context.commit_callback(Ok(()), &list);
        assert_eq!(progress.unconfirmed(), None);
    }
}
