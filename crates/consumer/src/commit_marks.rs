//! How far a partition is, how far that was sent to Kafka, and how far Kafka confirmed it. Its task advances it, the poll
//! thread sends and hears.

#[cfg(loom)]
use loom::sync::atomic::{AtomicI64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicI64, Ordering};

/// Stands for "not known"; offsets are not negative.
const UNKNOWN: i64 = -1;

/// The three marks of one assignment.
#[derive(Debug)]
pub(crate) struct CommitMarks {
    next: AtomicI64,
    sent: AtomicI64,
    confirmed: AtomicI64,
}

impl CommitMarks {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicI64::new(UNKNOWN),
            sent: AtomicI64::new(UNKNOWN),
            confirmed: AtomicI64::new(UNKNOWN),
        }
    }

    /// Begins at an offset that the store of offsets already has.
    pub(crate) fn start_at(&self, offset: i64) {
        // The others first: where the poll thread looks in between there is nothing to send.
        self.confirmed.store(offset, Ordering::Release);
        self.sent.store(offset, Ordering::Release);
        self.next.store(offset, Ordering::Release);
    }

    /// What was done of all records before `next` is seen by whoever reads it here.
    pub(crate) fn advance_to(&self, next: i64) {
        self.next.store(next, Ordering::Release);
    }

    /// The offset of the first record that is not passed, once known.
    pub(crate) fn next(&self) -> Option<i64> {
        let next = self.next.load(Ordering::Acquire);
        (next >= 0).then_some(next)
    }

    /// The offset to commit, if one hasn't been sent yet.
    pub(crate) fn unsent(&self) -> Option<i64> {
        let next = self.next()?;
        (next > self.sent.load(Ordering::Acquire)).then_some(next)
    }

    /// The offset to commit, if Kafka hasn't confirmed it yet.
    pub(crate) fn unconfirmed(&self) -> Option<i64> {
        let next = self.next()?;
        (next > self.confirmed.load(Ordering::Acquire)).then_some(next)
    }

    pub(crate) fn note_sent(&self, offset: i64) {
        self.sent.store(offset, Ordering::Release);
    }

    pub(crate) fn note_confirmed(&self, offset: i64) {
        self.confirmed.fetch_max(offset, Ordering::AcqRel);
    }

    /// A commit failed: the next one goes out even if nothing has advanced.
    pub(crate) fn note_failed(&self) {
        self.sent
            .store(self.confirmed.load(Ordering::Acquire), Ordering::Release);
    }
}
