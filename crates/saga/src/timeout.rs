//! The loop that wakes sagas whose deadline has passed.
//!
//! A deadline is taken before it is handled, in a transaction of its own, so that no lock on a saga's row is held
//! while the handler takes the locks of what the saga is about: those come first everywhere else. The handler decides
//! under those locks whether the deadline still means something.

use std::{future::Future, time::Duration};

use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{machine::Saga, overview, store};

/// How often those under way are counted: it takes a look at each.
const STATES_INTERVAL: Duration = Duration::from_secs(5);

/// What one step of the loop did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutOutcome {
    /// No deadline had passed.
    Nothing,
    /// That many were taken, and that many of them failed; those are due again after the lease.
    Handled { taken: usize, failed: usize },
}

/// A deadline that has passed, and was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub saga_id: Uuid,
    /// The step whose deadline it is. The saga may have moved on since.
    pub step: String,
    /// How often that step had asked again.
    pub attempts: i32,
}

/// What a saga does when its deadline has passed.
pub trait OnTimeout: Send + Sync {
    type Error: std::error::Error + Send + Sync + 'static;

    /// Must be idempotent: the same deadline may come again.
    fn timed_out(&self, due: &Due) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// How the loop takes deadlines.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutOptions {
    /// The most deadlines in a batch.
    pub batch: i64,
    /// How long a taken deadline is left to its taker.
    pub lease: Duration,
    /// The pause after a batch that was not full.
    pub interval: Duration,
}

impl Default for TimeoutOptions {
    fn default() -> Self {
        Self {
            batch: 50,
            lease: Duration::from_secs(30),
            interval: Duration::from_secs(1),
        }
    }
}

/// Takes one batch of deadlines that have passed and handles them one by one.
///
/// # Errors
/// The batch could not be taken; nothing was handled.
pub async fn step<H: OnTimeout>(
    pool: &PgPool,
    saga: &Saga,
    options: TimeoutOptions,
    handler: &H,
) -> Result<TimeoutOutcome, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let due = store::take_due(&mut conn, saga, options.batch, options.lease.as_secs_f64()).await?;
    drop(conn);
    if due.is_empty() {
        return Ok(TimeoutOutcome::Nothing);
    }
    let mut failed = 0;
    for due in &due {
        if let Err(error) = handler.timed_out(due).await {
            failed += 1;
            tracing::warn!(
                saga.name = saga.name,
                saga.id = %due.saga_id,
                saga.step = due.step,
                error = &error as &(dyn std::error::Error + 'static),
                "a passed deadline could not be handled, it is due again after the lease"
            );
        }
    }
    crate::metrics::count_timeouts(saga, due.len() - failed, failed);
    Ok(TimeoutOutcome::Handled {
        taken: due.len(),
        failed,
    })
}

/// Tells how many sagas are stuck, which is the gauge to raise an alarm on, and now and then how many are under way.
async fn tell_states(pool: &PgPool, saga: &Saga, next: &mut Instant) -> Result<(), sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let stuck = crate::resume::stuck(&mut conn, saga).await?;
    metrics::gauge!(crate::metrics::STUCK, "saga" => saga.name).set(stuck as f64);
    if Instant::now() < *next {
        return Ok(());
    }
    *next = Instant::now() + STATES_INTERVAL;
    for (state, count) in overview::count_open(&mut conn, saga).await? {
        metrics::gauge!(crate::metrics::OPEN, "saga" => saga.name, "state" => state.as_str())
            .set(count as f64);
    }
    Ok(())
}

/// Runs [`step`] until cancelled. A full batch is followed by the next at once.
pub async fn run<H: OnTimeout>(
    pool: PgPool,
    saga: &'static Saga,
    options: TimeoutOptions,
    handler: H,
    cancel: CancellationToken,
) {
    crate::metrics::declare(saga);
    let mut states_next = Instant::now();
    while !cancel.is_cancelled() {
        let full = match step(&pool, saga, options, &handler).await {
            Ok(TimeoutOutcome::Handled { taken, .. }) => taken as i64 >= options.batch,
            Ok(TimeoutOutcome::Nothing) => false,
            Err(error) => {
                tracing::warn!(
                    saga.name = saga.name,
                    error = &error as &(dyn std::error::Error + 'static),
                    "passed deadlines could not be looked up, trying again"
                );
                false
            }
        };
        if !full {
            if let Err(error) = tell_states(&pool, saga, &mut states_next).await {
                tracing::debug!(
                    saga.name = saga.name,
                    error = &error as &(dyn std::error::Error + 'static),
                    "sagas could not be counted"
                );
            }
            cancel
                .run_until_cancelled(tokio::time::sleep(options.interval))
                .await;
        }
    }
}
