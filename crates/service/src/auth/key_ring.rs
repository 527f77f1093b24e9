//! The issuer's keys as they are now: read on an interval, and when a token names one that is not known.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::key_set::KeySet;
use super::key_source::{KeysError, Source};
use crate::config::KeysConfig;
use crate::problem::chain;

const REFRESHES: &str = "depot_token_key_refreshes_total";
const LOADED_AT: &str = "depot_token_keys_loaded_timestamp_seconds";
/// Requests that wait for one refresh; more are refused at once.
const MAX_WAITING: usize = 64;
/// After a failure it is tried again sooner than the interval says.
const RETRY: Duration = Duration::from_secs(15);

/// Where one attempt to read the keys ended.
#[derive(Debug, Clone, Copy, Default)]
struct Attempt {
    /// None before the first.
    ended: Option<Instant>,
    /// Whether there are keys, of this attempt or an earlier one.
    has_keys: bool,
}

/// Keys that change while the process runs.
///
/// Readers take no lock. Attempts are told from each other by the monotonic clock, so that a wall clock that jumps
/// neither stops them nor makes a storm of them.
pub(super) struct KeyRing {
    keys: ArcSwap<KeySet>,
    source: Source,
    interval: Duration,
    min_gap: Duration,
    deadline: Duration,
    asked: Notify,
    attempts: watch::Sender<Attempt>,
    places: Semaphore,
}

impl KeyRing {
    /// Without keys until [`run`](Self::run) has read them.
    pub fn new(config: &KeysConfig) -> Result<Self, KeysError> {
        describe_counter!(
            REFRESHES,
            Unit::Count,
            "Attempts to read the keys of tokens, by outcome: changed, unchanged, failed"
        );
        describe_gauge!(
            LOADED_AT,
            Unit::Seconds,
            "When the keys of tokens were last read, since 1970"
        );
        Ok(Self {
            keys: ArcSwap::default(),
            source: Source::new(config)?,
            interval: config.refresh,
            min_gap: config.min_refresh_gap,
            deadline: config.timeout,
            asked: Notify::new(),
            attempts: watch::Sender::default(),
            places: Semaphore::new(MAX_WAITING),
        })
    }

    pub fn load(&self) -> Guard<Arc<KeySet>> {
        self.keys.load()
    }

    /// For readiness.
    pub fn check(&self) -> Result<(), String> {
        if self.attempts.borrow().has_keys {
            return Ok(());
        }
        Err("the keys of tokens were not read yet".to_owned())
    }

    /// Asks for a refresh. Waits for it, if one may start now; otherwise it comes when it may, and nobody waits.
    pub async fn refreshed(&self) {
        let mut attempts = self.attempts.subscribe();
        let is_due = attempts
            .borrow_and_update()
            .ended
            .is_none_or(|ended| ended.elapsed() >= self.min_gap);
        self.asked.notify_one();
        let Ok(_place) = self.places.try_acquire() else {
            return;
        };
        if is_due {
            // A refresh that takes longer goes on for those who come later.
            let _ended = timeout(self.deadline, attempts.changed()).await;
        }
    }

    /// Asks for a refresh that nobody waits for.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reads the keys until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut last = Vec::new();
        loop {
            let Some(read) = stop.run_until_cancelled(self.refresh(&mut last)).await else {
                return;
            };
            let pause = match read {
                Ok(()) => self.interval,
                Err(error) => {
                    counter!(REFRESHES, "outcome" => "failed").increment(1);
                    tracing::warn!(
                        error = chain(&error),
                        "the keys of tokens were not read; the last ones stay"
                    );
                    self.interval.min(RETRY.max(self.min_gap))
                }
            };
            self.attempts.send_modify(|attempt| {
                attempt.ended = Some(Instant::now());
                attempt.has_keys = self.load().len() > 0;
            });
            let next = async {
                sleep(self.min_gap).await;
                let rest = pause.saturating_sub(self.min_gap);
                let _asked = timeout(rest, self.asked.notified()).await;
            };
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
        }
    }

    async fn refresh(&self, last: &mut Vec<u8>) -> Result<(), KeysError> {
        let document = timeout(self.deadline, self.source.read())
            .await
            .map_err(|_| KeysError::TimedOut)??;
        let outcome = if document == *last {
            "unchanged"
        } else {
            let mut keys = KeySet::parse(&document)?;
            keys.generation = self.load().generation + 1;
            tracing::info!(keys.count = keys.len(), "the keys of tokens were read");
            self.keys.store(Arc::new(keys));
            *last = document;
            "changed"
        };
        counter!(REFRESHES, "outcome" => outcome).increment(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        gauge!(LOADED_AT).set(now.as_secs_f64());
        Ok(())
    }
}
