//! How far a partition is and how it fares: written by its task, read by the poll thread.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::commit_marks::CommitMarks;
use crate::metrics::PartitionMetrics;
use crate::status::{PartitionState, PartitionStatus, Trouble};

/// Stands for "not known" in the atomics; ends and timestamps are not negative.
const UNKNOWN: i64 = -1;

/// One assignment of one partition. Its offsets are reachable for a commit only as long as the partition is assigned,
/// so a result that comes later has nowhere to go.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) generation: u64,
    pub(crate) metrics: PartitionMetrics,
    marks: CommitMarks,
    oldest_ms: AtomicI64,
    unfinished: AtomicUsize,
    end: AtomicI64,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    started: bool,
    failing: usize,
    trouble: Option<Trouble>,
    stopped: Option<String>,
}

impl Progress {
    pub(crate) fn new(topic: Arc<str>, partition: i32, generation: u64, metrics: PartitionMetrics) -> Self {
        Self {
            topic,
            partition,
            generation,
            metrics,
            marks: CommitMarks::new(),
            oldest_ms: AtomicI64::new(UNKNOWN),
            unfinished: AtomicUsize::new(0),
            end: AtomicI64::new(UNKNOWN),
            health: Mutex::default(),
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partition begins (again) at an offset that its store already has.
    pub(crate) fn start_at(&self, offset: i64) {
        self.marks.start_at(offset);
        self.health().started = true;
    }

    pub(crate) fn advance_to(&self, next: i64) {
        self.marks.advance_to(next);
    }

    /// How many records are taken and not passed, and the timestamp of the oldest that isn't done.
    pub(crate) fn set_unfinished(&self, count: usize, timestamp_ms: Option<i64>) {
        self.unfinished.store(count, Ordering::Release);
        self.oldest_ms
            .store(timestamp_ms.unwrap_or(UNKNOWN), Ordering::Release);
    }

    pub(crate) fn set_end(&self, end: i64) {
        self.end.store(end, Ordering::Release);
    }

    /// The offset to commit, if one hasn't been sent yet.
    pub(crate) fn unsent(&self) -> Option<i64> {
        self.marks.unsent()
    }

    /// The offset to commit, if Kafka hasn't confirmed it yet.
    pub(crate) fn unconfirmed(&self) -> Option<i64> {
        self.marks.unconfirmed()
    }

    pub(crate) fn note_sent(&self, offset: i64) {
        self.marks.note_sent(offset);
    }

    pub(crate) fn note_confirmed(&self, offset: i64) {
        self.marks.note_confirmed(offset);
    }

    /// A commit failed: the next one goes out even if nothing has advanced.
    pub(crate) fn note_commit_failed(&self) {
        self.marks.note_failed();
    }

    /// Messages between the next offset and the end of the log, once both are known.
    pub(crate) fn lag(&self) -> Option<i64> {
        let (next, end) = (self.marks.next()?, self.end.load(Ordering::Acquire));
        (end >= 0).then(|| (end - next).max(0))
    }

    /// The age of the oldest record that isn't done; 0 when there is none.
    pub(crate) fn lag_seconds(&self, now: OffsetDateTime) -> f64 {
        let oldest = self.oldest_ms.load(Ordering::Acquire);
        if oldest == UNKNOWN {
            return 0.0;
        }
        let now_ms = now.unix_timestamp_nanos() / 1_000_000;
        let age_ms = (now_ms - i128::from(oldest)).max(0);
        age_ms as f64 / 1_000.0
    }

    /// Says that something fails and is being retried, until the guard is dropped.
    pub(crate) fn trouble(self: &Arc<Self>, message: String) -> TroubleGuard {
        let mut health = self.health();
        health.failing += 1;
        if let Some(trouble) = &mut health.trouble {
            trouble.message = message;
        } else {
            tracing::warn!(
                messaging.destination.name = %self.topic,
                messaging.destination.partition.id = self.partition,
                error.message = %message,
                "work on a partition fails, retrying until it passes"
            );
            health.trouble = Some(Trouble {
                since: OffsetDateTime::now_utc(),
                message,
            });
        }
        TroubleGuard {
            progress: Arc::clone(self),
        }
    }

    /// Says that the partition does nothing until it is assigned again.
    pub(crate) fn stop(&self, reason: String) {
        tracing::error!(
            messaging.destination.name = %self.topic,
            messaging.destination.partition.id = self.partition,
            reason = %reason,
            "partition stopped"
        );
        self.health().stopped = Some(reason);
    }

    pub(crate) fn status(&self) -> PartitionStatus {
        PartitionStatus {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            generation: self.generation,
            state: self.state(),
            next_offset: self.marks.next(),
            unfinished: self.unfinished.load(Ordering::Acquire),
            lag: self.lag(),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.health().stopped.is_some()
    }

    fn state(&self) -> PartitionState {
        let health = self.health();
        if let Some(reason) = &health.stopped {
            PartitionState::Stopped {
                reason: reason.clone(),
            }
        } else if let Some(trouble) = &health.trouble {
            PartitionState::BackingOff(trouble.clone())
        } else if health.started {
            PartitionState::Running
        } else {
            PartitionState::Starting
        }
    }
}

/// While it lives, its partition counts as failing.
#[derive(Debug)]
pub(crate) struct TroubleGuard {
    progress: Arc<Progress>,
}

impl TroubleGuard {
    pub(crate) fn update(&self, message: String) {
        if let Some(trouble) = &mut self.progress.health().trouble {
            trouble.message = message;
        }
    }
}

impl Drop for TroubleGuard {
    fn drop(&mut self) {
        let mut health = self.progress.health();
        health.failing -= 1;
        if health.failing == 0 {
            health.trouble = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use crate::metrics::PartitionMetrics;
    use crate::status::PartitionState;
    use std::sync::Arc;
    use time::OffsetDateTime;

    fn progress() -> Arc<Progress> {
        Arc::new(Progress::new("t".into(), 0, 1, PartitionMetrics::of("g", "t")))
    }

    #[test]
    fn an_offset_that_was_loaded_is_not_committed_again() {
        let progress = progress();
        progress.start_at(5);
        assert_eq!((progress.unsent(), progress.unconfirmed()), (None, None));
        progress.advance_to(7);
        assert_eq!((progress.unsent(), progress.unconfirmed()), (Some(7), Some(7)));
    }

    #[test]
    fn a_failed_commit_is_sent_again() {
        let progress = progress();
        progress.start_at(5);
        progress.advance_to(7);
        progress.note_sent(7);
        assert_eq!(progress.unsent(), None);
        progress.note_commit_failed();
        assert_eq!(progress.unsent(), Some(7));
        progress.note_sent(7);
        progress.note_confirmed(7);
        progress.note_confirmed(6);
        assert_eq!((progress.unsent(), progress.unconfirmed()), (None, None));
    }

    #[test]
    fn a_partition_backs_off_until_the_last_failure_has_passed() {
        let progress = progress();
        assert_eq!(progress.status().state, PartitionState::Starting);
        progress.start_at(0);
        let first = progress.trouble("first".into());
        let second = progress.trouble("second".into());
        drop(first);
        assert!(
            matches!(progress.status().state, PartitionState::BackingOff(trouble) if trouble.message == "second")
        );
        drop(second);
        assert_eq!(progress.status().state, PartitionState::Running);
    }

    #[test]
    fn a_partition_that_is_stopped_says_why_whatever_else_fails() {
        let progress = progress();
        progress.start_at(0);
        let _failing = progress.trouble("the store is away".into());
        assert!(!progress.is_stopped());
        progress.stop("offset 7 is gone".into());
        assert!(progress.is_stopped());
        let reason = "offset 7 is gone".to_owned();
        assert_eq!(progress.status().state, PartitionState::Stopped { reason });
    }

    #[test]
    fn the_last_message_of_a_failure_is_shown_and_its_beginning_stays() {
        let progress = progress();
        let failing = progress.trouble("first".into());
        let trouble_of = |progress: &Progress| match progress.status().state {
            PartitionState::BackingOff(trouble) => trouble,
            state => panic!("{state:?}"),
        };
        let first = trouble_of(&progress);
        failing.update("second".into());
        let second = trouble_of(&progress);
        assert_eq!((second.since, second.message.as_str()), (first.since, "second"));
    }

    #[test]
    fn lag_is_what_lies_between_the_next_offset_and_the_end_and_unknown_before_both_are() {
        let progress = progress();
        progress.set_end(12);
        assert_eq!(progress.lag(), None, "no offset was loaded");
        progress.start_at(5);
        assert_eq!(progress.lag(), Some(7));
        progress.advance_to(12);
        assert_eq!(progress.lag(), Some(0));
        progress.advance_to(15);
        assert_eq!(progress.lag(), Some(0), "the end is of the last statistics");

        let without_an_end = self::progress();
        without_an_end.start_at(5);
        assert_eq!(without_an_end.lag(), None);
        without_an_end.set_end(0);
        without_an_end.start_at(0);
        assert_eq!(without_an_end.lag(), Some(0), "an empty log has its end at 0");
    }

    #[test]
    fn lag_in_seconds_is_the_age_of_the_oldest_record_that_is_not_done() {
        let progress = progress();
        let now = OffsetDateTime::from_unix_timestamp(1_000).unwrap();
        assert_eq!(progress.lag_seconds(now).to_bits(), 0.0_f64.to_bits());
        progress.set_unfinished(3, Some(997_500));
        assert_eq!(progress.lag_seconds(now).to_bits(), 2.5_f64.to_bits());
        assert_eq!(progress.status().unfinished, 3);
        progress.set_unfinished(1, Some(1_000_700));
        assert_eq!(
            progress.lag_seconds(now).to_bits(),
            0.0_f64.to_bits(),
            "a clock that is ahead"
        );
        progress.set_unfinished(0, None);
        assert_eq!(progress.lag_seconds(now).to_bits(), 0.0_f64.to_bits());
    }
}
