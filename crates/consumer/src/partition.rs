//! One assigned partition: its queue of fetched records, and where it stands in the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use crate::rebalance::GroupContext;
use crate::record::Record;

/// The queue tells when it is no longer empty; this is how long to trust that before looking anyway.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// How long a seek, or a question to the partition's leader, may take.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// The next offset is not in the log: the topic was made anew, or records were deleted before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetOutOfRange {
    pub(crate) offset: i64,
}

/// Lets a partition's task start its fetcher as long as the partition is assigned, and never after.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Mutex<bool>,
}

impl Gate {
    /// From here on, `while_open` does nothing. Waits for one that is under way.
    pub(crate) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn while_open<T>(&self, act: impl FnOnce() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed { Err(KafkaError::Canceled) } else { act() }
    }
}

/// Reads one partition in order. Records that aren't taken stay in the client's queue, which stops fetching when it is
/// full: that is the back-pressure, and nothing is fetched twice for it.
pub(crate) struct PartitionReader {
    // The queue goes before the consumer that it belongs to.
    queue: PartitionQueue<GroupContext>,
    wake: Arc<Notify>,
    consumer: Arc<BaseConsumer<GroupContext>>,
    topic: Arc<str>,
    partition: i32,
    gate: Arc<Gate>,
    fetching: bool,
    position: i64,
    out_of_range: Option<OffsetOutOfRange>,
}

impl PartitionReader {
    /// Splits the partition's queue off the group's. To be called before the partition is assigned, so that no record
    /// gets into the group's queue.
    pub(crate) fn split(
        consumer: &Arc<BaseConsumer<GroupContext>>,
        topic: Arc<str>,
        partition: i32,
        gate: Arc<Gate>,
    ) -> Option<Self> {
        let mut queue = consumer.split_partition_queue(&topic, partition)?;
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        queue.set_nonempty_callback(move || waker.notify_one());
        let consumer = Arc::clone(consumer);
        Some(Self {
            queue,
            wake,
            consumer,
            topic,
            partition,
            gate,
            fetching: false,
            position: 0,
            out_of_range: None,
        })
    }

    pub(crate) fn consumer(&self) -> &Arc<BaseConsumer<GroupContext>> {
        &self.consumer
    }

    /// Goes to an offset; what was fetched before is discarded.
    ///
    /// The first time the fetcher is started there. It is never started at an end of the log and then moved: librdkafka
    /// 2.12 answers an outdated query for a log's end by asking again, and then jumps to the end in spite of a seek
    /// that came in between, over all that lies before it.
    pub(crate) async fn go_to(&mut self, offset: i64) -> Result<(), KafkaError> {
        let (consumer, topic, partition) = (
            Arc::clone(&self.consumer),
            Arc::clone(&self.topic),
            self.partition,
        );
        let (gate, fetching) = (Arc::clone(&self.gate), self.fetching);
        // Both calls wait for the client's main thread, a seek for the broker's too.
        let go = move || {
            gate.while_open(|| {
                if fetching {
                    return consumer.seek(&topic, partition, Offset::Offset(offset), BROKER_TIMEOUT);
                }
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
                consumer.incremental_assign(&list)
            })
        };
        tokio::task::spawn_blocking(go)
            .await
            .map_err(|_gone| KafkaError::Canceled)??;
        self.fetching = true;
        self.position = offset;
        self.out_of_range = None;
        Ok(())
    }

    /// The next record, as soon as there is one. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Record, OffsetOutOfRange> {
        loop {
            if let Some(record) = self.take()? {
                return Ok(record);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_ANYWAY) => {}
            }
        }
    }

    /// At least one record, and what else is there, within both bounds. Nothing is lost when the future is dropped.
    pub(crate) async fn gather(
        &mut self,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, OffsetOutOfRange> {
        let first = self.next().await?;
        let mut bytes = first.size_bytes();
        let mut records = vec![first];
        while records.len() < max_records && bytes < max_bytes {
            match self.take() {
                Ok(Some(record)) => {
                    bytes += record.size_bytes();
                    records.push(record);
                }
                // An error comes again on the next call.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(records)
    }

    /// A record, if one is there.
    fn take(&mut self) -> Result<Option<Record>, OffsetOutOfRange> {
        loop {
            if let Some(error) = self.out_of_range {
                return Err(error);
            }
            match self.queue.poll(Duration::ZERO) {
                None => return Ok(None),
                Some(Ok(message)) if message.offset() < self.position => {}
                Some(Ok(message)) => {
                    self.position = message.offset() + 1;
                    return Ok(Some(Record::copy_of(&message, Arc::clone(&self.topic))));
                }
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    self.out_of_range = Some(OffsetOutOfRange {
                        offset: self.position,
                    });
                }
                Some(Err(error)) => tracing::warn!(
                    messaging.destination.name = %self.topic,
                    messaging.destination.partition.id = self.partition,
                    error.message = %error,
                    "fetching from a partition failed, the client tries again"
                ),
            }
        }
    }

    /// Says what is wrong with an offset that isn't in the log.
    pub(crate) async fn describe(&self, error: OffsetOutOfRange) -> String {
        let (consumer, topic, partition) = (
            Arc::clone(&self.consumer),
            Arc::clone(&self.topic),
            self.partition,
        );
        let asked =
            tokio::task::spawn_blocking(move || consumer.fetch_watermarks(&topic, partition, BROKER_TIMEOUT))
                .await;
        let log = match asked {
            Ok(Ok((low, high))) => format!("which holds {low} to {high}"),
            Ok(Err(_)) | Err(_) => "whose bounds can't be read now".to_owned(),
        };
        format!(
            "next offset {} is outside the log of {} [{}], {log}; the topic was made anew or its records are gone: \
             restore the topic or set the stored offset, then restart",
            error.offset, self.topic, self.partition
        )
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;

    use super::Gate;

    #[test]
    fn once_a_partition_is_given_up_its_fetcher_is_never_started() {
        let gate = Gate::default();
        assert_eq!(gate.while_open(|| Ok(7)), Ok(7));
        gate.close();
        let mut started = false;
        let refused = gate.while_open(|| {
            started = true;
            Ok(())
        });
        assert_eq!((refused, started), (Err(KafkaError::Canceled), false));
    }
}
