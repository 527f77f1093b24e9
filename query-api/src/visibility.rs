//! Reading a version that was named: an older one is never shown, and one that is not there yet is waited for.

use std::{sync::Arc, time::Duration};

use depot_domain::VersionToken;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    change_feed::{ChangeFeed, Subject},
    queries::QueryError,
};

/// The longest wait that is granted.
pub const MAX_WAIT: Duration = Duration::from_secs(30);
/// The wait of a request that names a version and no wait: a view is usually behind by a fraction of that.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(1);
/// What the last look may take beyond the deadline.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// What an answer must not be older than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeast {
    pub version: VersionToken,
    /// How long to wait for it, at most [`MAX_WAIT`].
    pub wait: Duration,
}

/// Where a read may be answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any layer: the answer may be as old as the stated bound.
    Cached,
    /// From Redis, which has a change before it is announced; Postgres is not asked.
    Told,
    /// From Postgres, by a statement that starts now.
    Now,
}

/// How often a waiting read asks Postgres by itself: a notification may be lost, and so may be what Redis was told.
#[derive(Debug, Clone, Copy)]
pub struct PollPace {
    /// Before the first look; doubled after each.
    pub first: Duration,
    pub slowest: Duration,
}

impl Default for PollPace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(25),
            slowest: Duration::from_millis(500),
        }
    }
}

/// Something with the version of its aggregate.
pub trait Versioned {
    fn token(&self) -> VersionToken;
}

/// Grants waits. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Visibility {
    feed: ChangeFeed,
    places: Arc<Semaphore>,
    pace: PollPace,
    stop: CancellationToken,
}

impl Visibility {
    /// At most `max_waiting` requests wait at a time, since each polls the database. When `stop` is cancelled nobody
    /// waits any longer: another process of the service may have what is waited for.
    pub fn new(feed: ChangeFeed, max_waiting: usize, pace: PollPace, stop: CancellationToken) -> Self {
        Self {
            feed,
            places: Arc::new(Semaphore::new(max_waiting)),
            pace,
            stop,
        }
    }

    /// The row that `read` gives, in the version asked for or a later one.
    ///
    /// Without `at_least` that is what any layer holds. With it, a row that is older or absent is waited for: the
    /// version is checked before anything is made of the row, a tombstone and an absence included.
    ///
    /// # Errors
    /// [`QueryError::Behind`] when the time is up, [`QueryError::TooManyWaiting`], and what `read` fails with.
    pub async fn see<T, F>(
        &self,
        subject: Subject,
        at_least: Option<AtLeast>,
        read: impl Fn(Freshness) -> F,
    ) -> Result<Option<Arc<T>>, QueryError>
    where
        T: Versioned,
        F: Future<Output = Result<Option<Arc<T>>, QueryError>>,
    {
        let Some(AtLeast {
            version: wanted,
            wait,
        }) = at_least
        else {
            return read(Freshness::Cached).await;
        };
        let row = read(Freshness::Told).await?;
        if reached(&row, wanted) {
            return Ok(row);
        }
        let deadline = Instant::now() + wait.min(MAX_WAIT);
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| QueryError::TooManyWaiting)?;
        // Registered before the read: a change that comes after the read is announced to this registration. Postgres is not
        // asked at once: what a command has just written is usually on its way, and then the question is in vain.
        let mut registration = self.feed.register(subject);
        let mut pause = self.pace.first;
        let mut seen = row.map(|row| row.token());
        let (mut freshness, mut is_announced) = (Freshness::Told, false);
        loop {
            let row = match timeout_at(deadline.max(Instant::now() + LAST_LOOK), read(freshness)).await {
                Ok(row) => row?,
                Err(_) => {
                    return Err(QueryError::Behind {
                        subject,
                        wanted,
                        seen,
                    });
                }
            };
            if reached(&row, wanted) {
                return Ok(row);
            }
            seen = row.map(|row| row.token()).max(seen);
            let is_over = Instant::now() >= deadline;
            if freshness == Freshness::Told && (is_announced || is_over) {
                // Announced, and yet not in Redis: it was of something else, or Redis has lost it since. And nobody is told that
                // a version is not there before Postgres was asked.
                freshness = Freshness::Now;
                continue;
            }
            if is_over {
                return Err(QueryError::Behind {
                    subject,
                    wanted,
                    seen,
                });
            }
            let poll = deadline.min(Instant::now() + pause);
            tokio::select! {
                // A replica may lag behind the notification, so the next look comes soon after.
                () = registration.changed() => {
                    (freshness, is_announced, pause) = (Freshness::Told, true, self.pace.first);
                }
                () = sleep_until(poll) => {
                    (freshness, pause) = (Freshness::Now, (pause * 2).min(self.pace.slowest));
                }
                () = self.stop.cancelled() => return Err(QueryError::Behind { subject, wanted, seen }),
            }
        }
    }
}

fn reached<T: Versioned>(row: &Option<Arc<T>>, wanted: VersionToken) -> bool {
    row.as_ref().is_some_and(|row| row.token() >= wanted)
}
