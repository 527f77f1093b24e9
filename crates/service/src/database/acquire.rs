//! How long a connection is waited for.
//!
//! A pool tells of each wait only in the log's level `debug`, and with that level on, every request would have its span made.
//! So each pool is asked for a connection once a second, as a statement would ask, and gets it back at once. What got none in
//! time is told by its error, and counted there.

use std::time::{Duration, Instant};

use futures::future::join_all;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use super::Pool;

/// Time until a connection was had.
pub const ACQUIRE_SECONDS: &str = "depot_db_acquire_seconds";
/// Statements and transactions that got none in time.
pub const ACQUIRE_TIMEOUTS_TOTAL: &str = "depot_db_acquire_timeouts_total";

/// How often it is measured.
pub(crate) const MEASURED_EVERY: Duration = Duration::from_secs(1);

/// Asks each of the pools once; no longer than the longest time that one of them lets its users wait.
pub(crate) async fn measure(pools: &[Pool]) {
    join_all(pools.iter().map(measure_one)).await;
}

async fn measure_one(pool: &Pool) {
    let began = Instant::now();
    match pool.acquire().await {
        Ok(_) | Err(sqlx::Error::PoolTimedOut) => {
            histogram!(ACQUIRE_SECONDS).record(began.elapsed().as_secs_f64());
        }
        // Of a database that is away, which whoever needs it tells.
        Err(error) => tracing::debug!(%error, "the wait for a connection was not measured"),
    }
}

pub(super) fn count_timeout() {
    counter!(ACQUIRE_TIMEOUTS_TOTAL).increment(1);
}

pub(super) fn declare() {
    describe_histogram!(
        ACQUIRE_SECONDS,
        Unit::Seconds,
        "Time until a database connection was had, asked for once a second."
    );
    describe_counter!(
        ACQUIRE_TIMEOUTS_TOTAL,
        Unit::Count,
        "Statements and transactions that got no database connection in time."
    );
    let _registered_without_a_sample = histogram!(ACQUIRE_SECONDS);
    counter!(ACQUIRE_TIMEOUTS_TOTAL).increment(0);
}
