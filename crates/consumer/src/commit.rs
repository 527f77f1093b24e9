//! Commits of watermarks to Kafka: now and then while running, and a last one that is waited for.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use crate::group::Group;
use crate::metrics;
use crate::progress::Progress;
use crate::rebalance::GroupContext;

/// How long a revoke or a shutdown waits for its last commit. The client itself would wait for as long as the
/// coordinator is away; what isn't committed then is read again.
pub(crate) const LAST_COMMIT_DEADLINE: Duration = Duration::from_secs(5);

/// Sends what has advanced since the last commit, without waiting. Failures come back by [`note_result`].
pub(crate) fn advanced(consumer: &BaseConsumer<GroupContext>, group: &Group) {
    let mut sent = Vec::new();
    for progress in group.committable() {
        if let Some(offset) = progress.unsent() {
            sent.push((progress, offset));
        }
    }
    if sent.is_empty() {
        return;
    }
    match list_of(&sent).and_then(|list| consumer.commit(&list, CommitMode::Async)) {
        Ok(()) => sent
            .iter()
            .for_each(|(progress, offset)| progress.note_sent(*offset)),
        Err(error) => {
            metrics::count_commit(&group.name, false);
            tracing::warn!(messaging.consumer.group.name = %group.name, error.message = %error, "commit not sent");
        }
    }
}

/// Commits what Kafka hasn't confirmed yet and waits for the answer, for a bounded time.
pub(crate) fn and_wait(
    consumer: &Arc<BaseConsumer<GroupContext>>,
    group: &str,
    done: &[Arc<Progress>],
    deadline: Duration,
) {
    let open: Vec<(Arc<Progress>, i64)> = done
        .iter()
        .filter_map(|progress| {
            progress
                .unconfirmed()
                .map(|offset| (Arc::clone(progress), offset))
        })
        .collect();
    if open.is_empty() {
        return;
    }
    let committed = list_of(&open).and_then(|list| commit_bounded(consumer, list, deadline));
    metrics::count_commit(group, committed.is_ok());
    match committed {
        Ok(()) => open
            .iter()
            .for_each(|(progress, offset)| progress.note_confirmed(*offset)),
        Err(error) => tracing::warn!(
            messaging.consumer.group.name = %group,
            error.message = %error,
            "last commit of given-up partitions failed, their next owner repeats some records"
        ),
    }
}

/// The client's waiting commit has no time-out, so it waits on a thread that may be left behind.
fn commit_bounded(
    consumer: &Arc<BaseConsumer<GroupContext>>,
    list: TopicPartitionList,
    deadline: Duration,
) -> KafkaResult<()> {
    let (answer, answered) = sync_channel(1);
    let consumer = Arc::clone(consumer);
    let commit = move || {
        let result = consumer.commit(&list, CommitMode::Sync);
        // The last reference to the consumer must go on the poll thread whenever that still waits.
        drop(consumer);
        // Nobody listens after the deadline; the result is then of no use.
        let _ = answer.send(result);
    };
    let timed_out = || rdkafka::error::KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut);
    if std::thread::Builder::new()
        .name("kafka-commit".to_owned())
        .spawn(commit)
        .is_err()
    {
        return Err(timed_out());
    }
    answered
        .recv_timeout(deadline)
        .unwrap_or_else(|_| Err(timed_out()))
}

/// Takes in the answer to a commit that was sent by [`advanced`].
pub(crate) fn note_result(group: &Group, result: KafkaResult<()>, list: &TopicPartitionList) {
    let mut failed = None;
    for progress in group.committable() {
        let Some(element) = list.find_partition(&progress.topic, progress.partition) else {
            continue;
        };
        match (result.clone().and_then(|()| element.error()), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => progress.note_confirmed(offset),
            (Ok(()), _) => {}
            (Err(error), _) => {
                progress.note_commit_failed();
                failed = Some(error);
            }
        }
    }
    metrics::count_commit(&group.name, result.is_ok() && failed.is_none());
    if let Some(error) = failed {
        tracing::warn!(
            messaging.consumer.group.name = %group.name,
            error.message = %error,
            "commit failed, sent again with the next one"
        );
    }
}

fn list_of(offsets: &[(Arc<Progress>, i64)]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (progress, offset) in offsets {
        list.add_partition_offset(&progress.topic, progress.partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

#[cfg(test)]
mod client_tests {
    use std::time::Duration;

    use rdkafka::error::{KafkaError, RDKafkaErrorCode};
    use rdkafka::{Offset, TopicPartitionList};

    use super::{advanced, and_wait, note_result};
    use crate::unconnected::{TOPIC, client, group, metrics_of, own};

    /// An offset of each of two partitions, of which the second is nobody's here.
    fn answered(offset: i64) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in [0, 9] {
            list.add_partition_offset(TOPIC, partition, Offset::Offset(offset))
                .unwrap();
        }
        list
    }

    #[tokio::test]
    async fn an_offset_that_kafka_refused_is_sent_again_and_one_that_it_confirmed_is_not() {
        let group = group(true);
        let (progress, _alive) = own(&group, 0);
        progress.start_at(5);
        progress.advance_to(7);
        progress.note_sent(7);
        let refused = KafkaError::ConsumerCommit(RDKafkaErrorCode::RebalanceInProgress);
        let text = metrics_of(|| note_result(&group, Err(refused), &answered(7)));
        assert!(text.contains(r#"{group="g",outcome="failed"} 1"#), "{text}");
        assert_eq!((progress.unsent(), progress.unconfirmed()), (Some(7), Some(7)));

        progress.note_sent(7);
        let text = metrics_of(|| note_result(&group, Ok(()), &answered(7)));
        assert!(text.contains(r#"{group="g",outcome="ok"} 1"#), "{text}");
        assert_eq!((progress.unsent(), progress.unconfirmed()), (None, None));
    }

    #[tokio::test]
    async fn a_refused_commit_of_partitions_that_were_given_up_meanwhile_is_counted_as_failed() {
        let group = group(true);
        let refused = KafkaError::ConsumerCommit(RDKafkaErrorCode::IllegalGeneration);
        let text = metrics_of(|| note_result(&group, Err(refused), &answered(7)));
        assert!(text.contains(r#"{group="g",outcome="failed"} 1"#), "{text}");
    }

    #[tokio::test]
    async fn an_answer_about_an_earlier_offset_confirms_no_later_one() {
        let group = group(true);
        let (progress, _alive) = own(&group, 0);
        progress.start_at(5);
        progress.advance_to(9);
        progress.note_sent(9);
        note_result(&group, Ok(()), &answered(7));
        assert_eq!(progress.unconfirmed(), Some(9));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_a_broker_what_was_sent_stays_unconfirmed_and_the_last_commit_ends_all_the_same() {
        let group = group(true);
        let (progress, _alive) = own(&group, 0);
        progress.start_at(5);
        progress.advance_to(7);
        let client = client(&group);
        advanced(&client, &group);
        assert_eq!((progress.unsent(), progress.unconfirmed()), (None, Some(7)));
        let done = [progress];
        let text = metrics_of(|| and_wait(&client, "g", &done, Duration::from_millis(200)));
        assert!(text.contains(r#"{group="g",outcome="failed"} 1"#), "{text}");
        assert_eq!(done[0].unconfirmed(), Some(7));
    }
}
