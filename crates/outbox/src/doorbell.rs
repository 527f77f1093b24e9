use std::{
    future::poll_fn,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};

#[cfg(loom)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex, MutexGuard};

/// Some of the 64 shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// `shard` is 0 to 63.
    pub fn insert(&mut self, shard: i16) {
        self.0 |= 1 << (shard & 63);
    }

    pub fn contains(self, shard: i16) -> bool {
        self.0 & (1 << (shard & 63)) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of this one that are not of the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those of either.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Wakes the relay of this process after a commit, and tells it which shards have something new. Rings while it is awake are
/// one ring.
///
/// A bell is a hint: what other processes append, or what is appended without ringing, the relay's poll finds. It is heard
/// by one: of several that wait, the one that came last.
#[derive(Debug, Clone, Default)]
pub struct Doorbell {
    bell: Arc<Mutex<Bell>>,
}

#[derive(Debug, Default)]
struct Bell {
    rung_for: ShardSet,
    waiting: Option<Waker>,
}

impl Doorbell {
    /// To be called after `COMMIT` has returned, with the shards of what was committed. Costs nanoseconds, waits for nobody.
    pub fn ring(&self, shards: ShardSet) {
        if shards.is_empty() {
            return;
        }
        let waiting = {
            let mut bell = self.bell();
            bell.rung_for = bell.rung_for.with(shards);
            bell.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Returns once the bell has been rung since the last return, with the shards that it was rung for.
    pub(crate) async fn rung(&self) -> ShardSet {
        poll_fn(|context| self.poll_rung(context)).await
    }

    fn poll_rung(&self, context: &Context<'_>) -> Poll<ShardSet> {
        let mut bell = self.bell();
        if !bell.rung_for.is_empty() {
            return Poll::Ready(std::mem::take(&mut bell.rung_for));
        }
        bell.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn bell(&self) -> MutexGuard<'_, Bell> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
