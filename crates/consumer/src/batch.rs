//! Records in batches: in order, one batch of a partition at a time, the offset stored by the handler.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::attempt::{Assignment, Interrupted, decode_caught, handle_caught};
use crate::error::{ConsumerError, chain};
use crate::group::Driver;
use crate::handler::{Batch, BatchHandler, BatchOutcome, Failure, GivenUp, Poison};
use crate::offset_source::OffsetSource;
use crate::partition::PartitionReader;
use crate::record::Record;

/// Drives a [`BatchHandler`] from an [`OffsetSource`].
pub(crate) struct BatchDriver<H, S> {
    pub(crate) handler: Arc<H>,
    pub(crate) offsets: Arc<S>,
}

impl<H: BatchHandler, S: OffsetSource> Driver for BatchDriver<H, S> {
    fn commits_to_kafka(&self) -> bool {
        false
    }

    fn run(
        &self,
        reader: PartitionReader,
        assignment: Assignment,
    ) -> BoxFuture<'static, Result<(), ConsumerError>> {
        let work = Work {
            handler: Arc::clone(&self.handler),
            assignment,
        };
        run(reader, Arc::clone(&self.offsets), work).boxed()
    }
}

/// How a batch ended, other than by an error that stops the consumer.
enum End {
    Stored,
    Reload,
    Interrupted,
}

async fn run<H: BatchHandler, S: OffsetSource>(
    mut reader: PartitionReader,
    offsets: Arc<S>,
    work: Work<H>,
) -> Result<(), ConsumerError> {
    let assignment = &work.assignment;
    let settings = &assignment.settings;
    let mut reloads = assignment.attempts();
    loop {
        let Ok(mut expected) = assignment.position(&mut reader, &*offsets).await else {
            return Ok(());
        };
        loop {
            let gathered = tokio::select! {
                biased;
                () = assignment.drain.cancelled() => return Ok(()),
                gathered = reader.gather(settings.max_batch_records, settings.max_batch_bytes) => gathered,
            };
            let records = match gathered {
                Ok(records) => records,
                Err(error) => {
                    assignment.progress.stop(reader.describe(error).await);
                    assignment.drain.cancelled().await;
                    return Ok(());
                }
            };
            let oldest_ms = records.first().and_then(|record| record.timestamp_ms);
            assignment.progress.set_unfinished(records.len(), oldest_ms);
            let next = records.last().map_or(expected, |record| record.offset + 1);
            let end = work.process(records, expected, next).await?;
            assignment.progress.set_unfinished(0, None);
            match end {
                End::Stored => {
                    expected = next;
                    reloads = assignment.attempts();
                }
                End::Reload => break,
                End::Interrupted => return Ok(()),
            }
        }
        // Once is what a rebalance does. A handler that never finds its offset must not spin.
        let place = format!(
            "the stored offset of {} was not the expected one",
            assignment.progress.topic
        );
        if reloads.pause(place).await.is_err() {
            return Ok(());
        }
    }
}

struct Work<H> {
    handler: Arc<H>,
    assignment: Assignment,
}

/// What the handler made of one batch or piece of one.
enum Applied {
    Stored,
    Reload,
    Poison(Poison),
}

impl<H: BatchHandler> Work<H> {
    /// Brings a batch to its end, in halves where one record of it is poison.
    async fn process(&self, records: Vec<Record>, expected: i64, next: i64) -> Result<End, ConsumerError> {
        let Ok(events) = self.decode(records).await else {
            return Ok(End::Interrupted);
        };
        let progress = &self.assignment.progress;
        let mut pieces = VecDeque::from([Batch {
            topic: Arc::clone(&progress.topic),
            partition: progress.partition,
            expected_offset: expected,
            next_offset: next,
            events: events.into(),
        }]);
        while let Some(piece) = pieces.pop_front() {
            let Ok(applied) = self.apply(&piece).await? else {
                return Ok(End::Interrupted);
            };
            match applied {
                Applied::Stored => {
                    progress.metrics.batches_stored.increment(1);
                    progress.metrics.processed.increment(piece.events.len() as u64);
                    progress.advance_to(piece.next_offset);
                }
                Applied::Reload => {
                    progress.metrics.batches_reloaded.increment(1);
                    return Ok(End::Reload);
                }
                Applied::Poison(poison) if piece.events.len() > 1 => {
                    tracing::debug!(error.message = %poison, "a batch holds poison, looking for the record");
                    progress.metrics.batches_split.increment(1);
                    let (first, second) = halves(&piece);
                    pieces.push_front(second);
                    pieces.push_front(first);
                }
                Applied::Poison(poison) => {
                    let Some((record, _event)) = piece.events.first() else {
                        return Err(self.poison_without_a_record(&piece, &poison));
                    };
                    if self.give_up(record, &poison).await.is_err() {
                        return Ok(End::Interrupted);
                    }
                    pieces.push_front(Batch {
                        events: Vec::new().into(),
                        ..piece
                    });
                }
            }
        }
        Ok(End::Stored)
    }

    /// Decodes in order; what can't be decoded is given up, before anything of the batch is stored.
    async fn decode(&self, records: Vec<Record>) -> Result<Vec<(Record, H::Event)>, Interrupted> {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            let record = self.assignment.settings.traced_back(record);
            match decode_caught(|| self.handler.decode(&record)) {
                Ok(event) => events.push((record, event)),
                Err(poison) => self.give_up(&record, &poison).await?,
            }
        }
        Ok(events)
    }

    /// Hands a batch to the handler until a dependency doesn't stand in the way.
    async fn apply(&self, batch: &Batch<H::Event>) -> Result<Result<Applied, Interrupted>, ConsumerError> {
        let metrics = &self.assignment.progress.metrics;
        let mut attempts = self.assignment.attempts();
        loop {
            let context = attempts.next_context();
            let started = Instant::now();
            let outcome = handle_caught(self.handler.handle_batch(batch, &context)).await;
            metrics.handle_seconds.record(started.elapsed().as_secs_f64());
            match outcome {
                Ok(BatchOutcome::Stored) => return Ok(Ok(Applied::Stored)),
                Ok(BatchOutcome::Reload) => return Ok(Ok(Applied::Reload)),
                Err(Failure::Poison(poison)) => return Ok(Ok(Applied::Poison(poison))),
                Err(failure @ (Failure::Transient { .. } | Failure::RetryLater { .. })) => {
                    metrics.transient.increment(1);
                    if attempts.pause(chain(&failure)).await.is_err() {
                        return Ok(Err(Interrupted));
                    }
                }
                Err(Failure::Fatal { message, source }) => {
                    let offset = batch
                        .events
                        .first()
                        .map_or(batch.expected_offset, |(record, _)| record.offset);
                    return Err(self.assignment.fatal(offset, message, source));
                }
            }
        }
    }

    /// Brings a record that is poison to where the handler says, for as long as that takes. It may be passed only after this.
    async fn give_up(&self, record: &Record, poison: &Poison) -> Result<(), Interrupted> {
        let mut attempts = self.assignment.attempts();
        loop {
            match self.handler.give_up(record, poison).await {
                Ok(GivenUp::DeadLetter) => break,
                Ok(GivenUp::Passed) => return Ok(()),
                Err(failure) => attempts.pause(chain(&failure)).await?,
            }
        }
        drop(attempts);
        self.assignment.dead_letter(record, poison).await
    }

    fn poison_without_a_record(&self, batch: &Batch<H::Event>, poison: &Poison) -> ConsumerError {
        let message = format!(
            "the handler answered poison ({poison}) for a batch without events; it must only store offset {}",
            batch.next_offset
        );
        self.assignment.fatal(batch.expected_offset, message, None)
    }
}

/// Splits a batch of at least two events in two that follow each other without a gap in their offsets.
fn halves<E>(batch: &Batch<E>) -> (Batch<E>, Batch<E>) {
    let (first, second) = batch.events.split_at(batch.events.len() / 2);
    let border = second
        .first()
        .map_or(batch.next_offset, |(record, _)| record.offset);
    let first = Batch {
        next_offset: border,
        events: first,
        ..batch.clone()
    };
    let second = Batch {
        expected_offset: border,
        events: second,
        ..batch.clone()
    };
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::halves;
    use crate::{Batch, Record};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn halves_follow_each_other_and_lose_nothing(offsets in proptest::collection::btree_set(10_i64..500, 2..40)) {
            let offsets: Vec<i64> = offsets.into_iter().collect();
            let events: Vec<_> =
                offsets.iter().map(|offset| (Record { offset: *offset, ..Record::default() }, ())).collect();
            let batch =
                Batch { topic: "t".into(), partition: 0, expected_offset: 3, next_offset: 501, events: events.into() };
            let (first, second) = halves(&batch);
            prop_assert!(!first.events.is_empty() && !second.events.is_empty());
            prop_assert_eq!((first.expected_offset, second.next_offset), (3, 501));
            prop_assert_eq!(first.next_offset, second.expected_offset);
            prop_assert!(first.events.iter().all(|(record, ())| record.offset < first.next_offset));
            prop_assert!(second.events.iter().all(|(record, ())| record.offset >= second.expected_offset));
            let together: Vec<i64> =
                first.events.iter().chain(&*second.events).map(|(record, ())| record.offset).collect();
            prop_assert_eq!(together, offsets);
        }
    }
}
