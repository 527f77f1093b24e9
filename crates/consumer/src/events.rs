//! The events of a batch, shared by its pieces and by whoever works on them.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::record::Record;

/// Records and what they were decoded to, in log order: a slice that is cheap to clone.
pub struct Events<E> {
    all: Arc<[(Record, E)]>,
    range: Range<usize>,
}

impl<E> Events<E> {
    /// The first `middle` events, and the others; all and none where there are no more than that.
    #[must_use]
    pub fn split_at(&self, middle: usize) -> (Self, Self) {
        let border = self.range.end.min(self.range.start + middle);
        let part = |range| Self {
            all: Arc::clone(&self.all),
            range,
        };
        (part(self.range.start..border), part(border..self.range.end))
    }
}

impl<E> Deref for Events<E> {
    type Target = [(Record, E)];

    fn deref(&self) -> &Self::Target {
        &self.all[self.range.clone()]
    }
}

impl<E> From<Vec<(Record, E)>> for Events<E> {
    fn from(events: Vec<(Record, E)>) -> Self {
        Self {
            range: 0..events.len(),
            all: events.into(),
        }
    }
}

impl<E> Clone for Events<E> {
    fn clone(&self) -> Self {
        Self {
            all: Arc::clone(&self.all),
            range: self.range.clone(),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
