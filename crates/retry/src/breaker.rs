//! A circuit breaker: while a dependency is away, callers are told so at once instead of each waiting for a time-out.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::time::Instant;

const OPEN: &str = "depot_breaker_open";
const OPENED: &str = "depot_breaker_opened_total";
const REFUSED: &str = "depot_breaker_refused_total";

/// When a breaker opens, and how long a dependency is then left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Calls that have to fail one after the other.
    pub failures: u32,
    /// How long no call may have succeeded. A dependency that is overloaded still answers some: it is not away, and to
    /// refuse those that it would answer helps nobody.
    pub quiet: Duration,
    /// How long it is passed by, until one call tries it again.
    pub rest: Duration,
}

/// Why a guarded call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum BreakerError<E> {
    /// It was not made: the dependency is away.
    #[error("it was away a moment ago, and is not asked")]
    Open,
    #[error(transparent)]
    Failed(#[from] E),
}

/// Stands before one dependency of a process. Share it by `Arc`.
///
/// An open breaker admits one call a [`rest`](BreakerSettings::rest); the first that succeeds closes it. A call that is
/// dropped tells nothing, and needs to tell nothing.
#[derive(Debug)]
pub struct Breaker {
    dependency: &'static str,
    settings: BreakerSettings,
    made: Instant,
    /// Milliseconds since `made` until which the dependency is passed by; 0 while it answers.
    open_until: AtomicU64,
    /// Calls that failed since the last one that succeeded.
    failures: AtomicU32,
    /// Milliseconds since `made` of the last call that succeeded.
    succeeded_at: AtomicU64,
    open: Gauge,
    opened: Counter,
    refused: Counter,
}

impl Breaker {
    /// A closed breaker. `dependency` names what is behind it in logs and metrics.
    #[must_use]
    pub fn new(dependency: &'static str, settings: BreakerSettings) -> Self {
        describe_gauge!(
            OPEN,
            Unit::Count,
            "1 while the dependency is passed by because it is away"
        );
        describe_counter!(
            OPENED,
            Unit::Count,
            "Times that the dependency was found to be away"
        );
        describe_counter!(
            REFUSED,
            Unit::Count,
            "Calls that were not made because the dependency was away"
        );
        let breaker = Self {
            dependency,
            settings,
            made: Instant::now(),
            open_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            succeeded_at: AtomicU64::new(0),
            open: gauge!(OPEN, "dependency" => dependency),
            opened: counter!(OPENED, "dependency" => dependency),
            refused: counter!(REFUSED, "dependency" => dependency),
        };
        // Present from the start: an alert on a series that does not exist yet never fires.
        breaker.open.set(0.0);
        breaker.opened.increment(0);
        breaker.refused.increment(0);
        breaker
    }

    /// Makes a call, unless the dependency is away. `is_away` tells an error of the dependency's absence from an answer
    /// that the caller does not like, which is an answer.
    ///
    /// # Errors
    /// [`BreakerError`].
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        is_away: impl FnOnce(&E) -> bool,
    ) -> Result<T, BreakerError<E>> {
        if !self.admits() {
            return Err(BreakerError::Open);
        }
        let outcome = call.await;
        self.note(outcome.as_ref().err().is_some_and(is_away));
        Ok(outcome?)
    }

    /// Whether a call may be made now. Whoever makes one says by [`note`](Self::note) how it ended.
    pub fn admits(&self) -> bool {
        self.admits_at(self.now())
    }

    /// How a call ended: `away` is true where the dependency did not answer.
    pub fn note(&self, away: bool) {
        self.note_at(self.now(), away);
    }

    /// Whether the dependency is passed by.
    pub fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Relaxed) != 0
    }

    fn admits_at(&self, now: u64) -> bool {
        let until = self.open_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        // Of all that come when the rest is over one moves its end, and tries.
        let admitted = now >= until
            && self
                .open_until
                .compare_exchange(until, self.rest_from(now), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !admitted {
            self.refused.increment(1);
        }
        admitted
    }

    fn note_at(&self, now: u64, away: bool) {
        if away {
            self.failed(now);
        } else {
            self.succeeded(now);
        }
    }

    fn succeeded(&self, now: u64) {
        self.succeeded_at.store(now, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        if self.open_until.swap(0, Ordering::Relaxed) != 0 {
            self.open.set(0.0);
            tracing::info!(dependency = self.dependency, "it answers again");
        }
    }

    fn failed(&self, now: u64) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let quiet = now.saturating_sub(self.succeeded_at.load(Ordering::Relaxed));
        let is_away =
            failures >= self.settings.failures && u128::from(quiet) >= self.settings.quiet.as_millis();
        // Where it is open already, whoever tried has moved the end of the rest.
        if is_away
            && self
                .open_until
                .compare_exchange(0, self.rest_from(now), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.open.set(1.0);
            self.opened.increment(1);
            tracing::warn!(
                dependency = self.dependency,
                failures,
                "it does not answer, and is passed by until it does"
            );
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Never 0, which means closed.
    fn rest_from(&self, now: u64) -> u64 {
        let rest = u64::try_from(self.settings.rest.as_millis()).unwrap_or(u64::MAX);
        now.saturating_add(rest).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds.
    const SECOND: u64 = 1_000;

    fn breaker(failures: u32, quiet: Duration) -> Breaker {
        let settings = BreakerSettings {
            failures,
            quiet,
            rest: Duration::from_secs(1),
        };
        Breaker::new("test", settings)
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let breaker = breaker(3, Duration::ZERO);
        for away in [true, true, false, true, true] {
            breaker.note_at(0, away);
            assert!(breaker.admits_at(0), "a success begins the count anew");
        }
        breaker.note_at(0, true);
        assert!(!breaker.admits_at(0) && breaker.is_open());
    }

    #[tokio::test]
    async fn while_it_is_open_nothing_is_called_and_an_error_that_is_an_answer_opens_nothing() {
        let breaker = breaker(1, Duration::ZERO);
        let is_away = |error: &&str| *error == "away";
        for _ in 0..3 {
            let refused = breaker
                .call(std::future::ready(Err::<(), _>("refused")), is_away)
                .await;
            assert!(matches!(refused, Err(BreakerError::Failed("refused"))));
        }
        let away = breaker
            .call(std::future::ready(Err::<(), _>("away")), is_away)
            .await;
        assert!(matches!(away, Err(BreakerError::Failed("away"))));
        let called = breaker.call(async { panic!("it is called") }, is_away);
        assert!(matches!(called.await as Result<(), _>, Err(BreakerError::Open)));
    }

    #[test]
    fn it_stays_closed_as_long_as_some_calls_succeed() {
        let breaker = breaker(3, Duration::from_secs(1));
        for now in (0..10).map(|half| half * SECOND / 2) {
            breaker.note_at(now, false);
            for _ in 0..20 {
                breaker.note_at(now + SECOND / 2 - 1, true);
            }
            assert!(!breaker.is_open());
        }
        breaker.note_at(10 * SECOND, true);
        assert!(breaker.is_open(), "nothing has succeeded for a second");
    }

    #[test]
    fn one_call_a_rest_tries_it_and_a_success_lets_all_through() {
        let breaker = breaker(1, Duration::ZERO);
        breaker.note_at(0, true);
        for now in [1, 2, 3].map(|seconds| seconds * SECOND) {
            assert!(!breaker.admits_at(now - 1));
            assert!(
                breaker.admits_at(now),
                "the one that tries; it tells nothing if it is dropped"
            );
            assert!(!breaker.admits_at(now), "the others wait for what comes of that");
        }
        breaker.note_at(3 * SECOND, true);
        assert!(!breaker.admits_at(4 * SECOND - 1) && breaker.admits_at(4 * SECOND));
        breaker.note_at(4 * SECOND, false);
        assert!(breaker.admits_at(4 * SECOND) && breaker.admits_at(4 * SECOND));
    }
}
