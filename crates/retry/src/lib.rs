//! What stands between this process and what it depends on: delays between attempts, a loop that retries what may pass,
//! a [`Breaker`] for what is away, a [`Bulkhead`] for what is slow.
//!
//! [`Delays`] grows exponentially with full jitter: each delay is drawn evenly from zero to twice the current
//! interval, capped at the maximum. [`retry_transient`] runs an operation until it succeeds, fails for good, runs out
//! of time, or is cancelled.
//!
//! This file is the only place that uses the `backoff` crate, which is no longer maintained: replacing it touches
//! this file alone.

mod breaker;
mod bulkhead;

use std::future::Future;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use tokio_util::sync::CancellationToken;

pub use breaker::{Breaker, BreakerError, BreakerSettings};
pub use bulkhead::{Bulkhead, Place};

/// A growing, jittered series of delays.
#[derive(Debug, Clone)]
pub struct Delays {
    backoff: ExponentialBackoff,
    max: Duration,
}

impl Delays {
    /// A series that never ends: the mean delay starts at `initial` and doubles up to `max`.
    ///
    /// An `initial` above `max` is taken as `max`.
    #[must_use]
    pub fn never_ending(initial: Duration, max: Duration) -> Self {
        Self::new(initial, max, None)
    }

    /// A series that ends once `max_elapsed` has passed since it was made or last [`reset`](Self::reset).
    #[must_use]
    pub fn lasting(initial: Duration, max: Duration, max_elapsed: Duration) -> Self {
        Self::new(initial, max, Some(max_elapsed))
    }

    fn new(initial: Duration, max: Duration, max_elapsed: Option<Duration>) -> Self {
        let initial = initial.min(max);
        let mut backoff = ExponentialBackoff {
            initial_interval: initial,
            current_interval: initial,
            max_interval: max,
            multiplier: 2.0,
            // Full jitter: callers that failed together do not come back together.
            randomization_factor: 1.0,
            max_elapsed_time: max_elapsed,
            ..ExponentialBackoff::default()
        };
        backoff.reset();
        Self { backoff, max }
    }

    /// The next delay, at most `max`; `None` when the series has used up its time.
    pub fn next_delay(&mut self) -> Option<Duration> {
        self.backoff.next_backoff().map(|delay| delay.min(self.max))
    }

    /// Starts over at the initial delay, with the whole time again. Call it after a success.
    pub fn reset(&mut self) {
        self.backoff.reset();
    }
}

/// Why [`retry_transient`] gave up.
#[derive(Debug, PartialEq, Eq)]
pub enum GaveUp<E> {
    /// The operation failed in a way that another attempt does not mend.
    Permanent(E),
    /// The time for attempts is used up; the last fault is inside.
    Exhausted(E),
    /// Cancelled before an attempt succeeded; the last fault is inside, if any attempt had ended.
    Cancelled(Option<E>),
}

impl<E> GaveUp<E> {
    /// The last fault, if there was one.
    pub fn into_fault(self) -> Option<E> {
        match self {
            Self::Permanent(fault) | Self::Exhausted(fault) => Some(fault),
            Self::Cancelled(fault) => fault,
        }
    }
}

impl<E> std::fmt::Display for GaveUp<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Permanent(_) => "failed in a way that another attempt does not mend",
            Self::Exhausted(_) => "still failing when the time for attempts was used up",
            Self::Cancelled(_) => "cancelled before an attempt succeeded",
        })
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GaveUp<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Permanent(fault) | Self::Exhausted(fault) => Some(fault),
            Self::Cancelled(fault) => fault.as_ref().map(|fault| fault as _),
        }
    }
}

/// Runs `operation` until it succeeds, waiting between attempts as `delays` says.
///
/// Cancelling also drops an attempt under way, so `operation` must be safe to drop at any await.
///
/// # Errors
/// [`GaveUp`]: a fault for which `is_transient` is false, no time left, or `cancel` was cancelled.
pub async fn retry_transient<T, E, F, Fut>(
    mut delays: Delays,
    cancel: &CancellationToken,
    mut operation: F,
    is_transient: impl Fn(&E) -> bool,
) -> Result<T, GaveUp<E>>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut last = None;
    loop {
        if cancel.is_cancelled() {
            return Err(GaveUp::Cancelled(last));
        }
        let outcome = tokio::select! {
            // The operation first: what it achieved is not thrown away when both are ready.
            biased;
            outcome = operation() => outcome,
            () = cancel.cancelled() => return Err(GaveUp::Cancelled(last)),
        };
        let fault = match outcome {
            Ok(value) => return Ok(value),
            Err(fault) if is_transient(&fault) => fault,
            Err(fault) => return Err(GaveUp::Permanent(fault)),
        };
        let Some(delay) = delays.next_delay() else {
            return Err(GaveUp::Exhausted(fault));
        };
        tracing::debug!(
            retry.delay_ms = delay.as_millis() as u64,
            "attempt failed, trying again"
        );
        last = Some(fault);
        if cancel
            .run_until_cancelled(tokio::time::sleep(delay))
            .await
            .is_none()
        {
            return Err(GaveUp::Cancelled(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_never_ending_series_stays_within_its_maximum() {
        let mut delays = Delays::never_ending(MS, 50 * MS);
        for _ in 0..1_000 {
            assert!(delays.next_delay().unwrap() <= 50 * MS);
        }
    }

    #[test]
    fn delays_grow_and_start_over_after_a_reset() {
        let mut delays = Delays::never_ending(MS, Duration::from_secs(60));
        let first: Vec<_> = (0..3).filter_map(|_| delays.next_delay()).collect();
        assert!(first[0] <= 3 * MS, "{first:?}");
        let grown = (0..20).filter_map(|_| delays.next_delay()).max().unwrap();
        assert!(grown > 100 * MS, "{grown:?}");
        delays.reset();
        assert!(delays.next_delay().unwrap() <= 3 * MS);
    }

    #[test]
    fn delays_are_jittered() {
        let drawn: std::collections::HashSet<_> = (0..50)
            .filter_map(|_| Delays::never_ending(MS * 100, MS * 1_000).next_delay())
            .collect();
        assert!(drawn.len() > 10, "{drawn:?}");
    }

    #[test]
    fn a_series_with_no_time_left_ends() {
        let mut delays = Delays::lasting(MS, MS, Duration::ZERO);
        assert!((0..1_000_000).any(|_| delays.next_delay().is_none()));
    }

    async fn count_until(
        succeed_at: u32,
        transient: bool,
        delays: Delays,
        cancel: &CancellationToken,
    ) -> (Result<u32, GaveUp<u32>>, u32) {
        let attempts = Cell::new(0);
        let result = retry_transient(
            delays,
            cancel,
            || {
                attempts.set(attempts.get() + 1);
                let attempt = attempts.get();
                async move {
                    if attempt >= succeed_at {
                        Ok(attempt)
                    } else {
                        Err(attempt)
                    }
                }
            },
            |_| transient,
        )
        .await;
        (result, attempts.get())
    }

    #[tokio::test]
    async fn a_transient_fault_is_retried_until_it_passes() {
        let (result, attempts) =
            count_until(4, true, Delays::never_ending(MS, MS), &CancellationToken::new()).await;
        assert_eq!((result, attempts), (Ok(4), 4));
    }

    #[tokio::test]
    async fn a_permanent_fault_is_not_retried() {
        let (result, attempts) =
            count_until(4, false, Delays::never_ending(MS, MS), &CancellationToken::new()).await;
        assert_eq!((result, attempts), (Err(GaveUp::Permanent(1)), 1));
    }

    #[tokio::test]
    async fn attempts_end_when_the_time_is_used_up() {
        let delays = Delays::lasting(MS, MS, 5 * MS);
        let (result, _) = count_until(u32::MAX, true, delays, &CancellationToken::new()).await;
        assert!(matches!(result, Err(GaveUp::Exhausted(_))), "{result:?}");
    }

    #[tokio::test]
    async fn cancelling_ends_the_wait_with_the_last_fault() {
        let cancel = CancellationToken::new();
        let hour = Duration::from_secs(3_600);
        let mut attempts = 0;
        let result: Result<(), _> = retry_transient(
            Delays::never_ending(hour, hour),
            &cancel.clone(),
            || {
                attempts += 1;
                cancel.cancel();
                std::future::ready(Err("down"))
            },
            |_| true,
        )
        .await;
        assert_eq!(result, Err(GaveUp::Cancelled(Some("down"))));
        assert_eq!(attempts, 1);
    }
}
