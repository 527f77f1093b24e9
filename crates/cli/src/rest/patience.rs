use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use depot_retry::Delays;
use tokio::time::{Instant, sleep, sleep_until};

use super::error::RestError;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(8);
/// No server is believed that wants to be left alone for longer.
const LONGEST_AFTER: Duration = Duration::from_secs(300);

/// How long what may pass is repeated, and from when on the server wants to be asked again, which holds for all who ask it.
#[derive(Debug)]
pub struct Patience {
    lasts: Duration,
    not_before: Mutex<Instant>,
    repeats: AtomicU64,
}

impl Patience {
    pub fn lasting(lasts: Duration) -> Self {
        Self {
            lasts,
            not_before: Mutex::new(Instant::now()),
            repeats: AtomicU64::new(0),
        }
    }

    /// Repeats what may pass, until it does or the patience has ended. Safe to drop at any await if `once` is.
    ///
    /// # Errors
    /// What will not pass, or the last that might have.
    pub async fn repeat<T, Fut>(&self, mut once: impl FnMut() -> Fut) -> Result<T, RestError>
    where
        Fut: Future<Output = Result<T, RestError>>,
    {
        let mut delays = Delays::lasting(FIRST, LONGEST, self.lasts);
        loop {
            self.turn().await;
            let error = match once().await {
                Err(error) if error.may_pass() => error,
                outcome => return outcome,
            };
            let Some(delay) = delays.next_delay() else {
                return Err(error);
            };
            if let Some(after) = error.retry_after() {
                self.put_off(after);
            }
            self.repeats.fetch_add(1, Ordering::Relaxed);
            sleep(delay).await;
        }
    }

    /// How often something was sent again.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    async fn turn(&self) {
        loop {
            let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            if not_before <= Instant::now() {
                return;
            }
            sleep_until(not_before).await;
        }
    }

    fn put_off(&self, after: Duration) {
        let until = Instant::now() + after.min(LONGEST_AFTER);
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = (*not_before).max(until);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use reqwest::StatusCode;

    use super::{super::error::Problem, *};

    fn busy(retry_after: Option<u64>) -> RestError {
        RestError::Busy {
            doing: "test",
            problem: Box::new(Problem::read(StatusCode::SERVICE_UNAVAILABLE, b"")),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[tokio::test]
    async fn nobody_asks_before_the_server_wants_to_be_asked() {
        let patience = Patience::lasting(Duration::from_secs(60));
        let (begun, asked) = (Instant::now(), Cell::new(0));
        let answer = patience.repeat(|| {
            asked.set(asked.get() + 1);
            let is_first = asked.get() == 1;
            async move { if is_first { Err(busy(Some(1))) } else { Ok(7) } }
        });
        assert_eq!(answer.await.unwrap(), 7);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        assert_eq!((asked.get(), patience.repeats()), (2, 1));
        // Another one, meanwhile, waits too.
        patience.put_off(Duration::from_millis(200));
        let begun = Instant::now();
        patience.repeat(|| async { Ok(()) }).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(190));
    }

    #[tokio::test]
    async fn patience_ends_and_a_refusal_is_not_repeated() {
        let patience = Patience::lasting(Duration::ZERO);
        let ended: Result<(), _> = patience.repeat(|| async { Err(busy(None)) }).await;
        assert!(ended.unwrap_err().may_pass());
        let refused = Patience::lasting(Duration::from_secs(60));
        let answer: Result<(), _> = refused.repeat(|| async { Err(refusal()) }).await;
        assert!(!answer.unwrap_err().may_pass());
        assert_eq!(refused.repeats(), 0);
    }

    fn refusal() -> RestError {
        RestError::Refused {
            doing: "test",
            problem: Box::new(Problem::read(StatusCode::FORBIDDEN, b"")),
        }
    }
}
