use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Generous, since a busy machine must not fail a test: a condition that comes true ends the wait at once. A service that
/// was killed may wait for leases and sessions one after the other before it is ready, and each may be late there.
const DEADLINE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// After three minutes without one, naming `what` was awaited.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        sleep(PAUSE).await;
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// After three minutes in which it never held, naming `what` was awaited.
pub async fn wait_until<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    eventually(what, || {
        let holds = holds();
        async move { holds.await.then_some(()) }
    })
    .await;
}
