//! Deletes idempotency keys whose time is over.

use depot_service::database::Pool;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::{self, StoreError};

/// Rows deleted by one statement: few enough that nothing waits for it.
const BATCH: i64 = 1_000;
const INTERVAL: Duration = Duration::from_secs(60);

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyExpiryOutcome {
    /// So many were deleted, and there may be more.
    Deleted(u64),
    /// No more are expired.
    Done(u64),
}

/// Deletes one batch.
///
/// # Errors
/// A fault of the database.
pub async fn step(pool: &Pool) -> Result<KeyExpiryOutcome, StoreError> {
    let mut conn = pool
        .acquire()
        .await
        .map_err(StoreError::doing("delete expired idempotency keys"))?;
    let deleted = store::idempotency::delete_expired(&mut conn, BATCH).await?;
    metrics::counter!("depot_idempotency_keys_expired_total").increment(deleted);
    if deleted < BATCH as u64 {
        return Ok(KeyExpiryOutcome::Done(deleted));
    }
    Ok(KeyExpiryOutcome::Deleted(deleted))
}

/// Runs [`step`] until cancelled, a full batch after the other.
pub async fn run(pool: Pool, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match step(&pool).await {
            Ok(KeyExpiryOutcome::Deleted(_)) => continue,
            Ok(KeyExpiryOutcome::Done(_)) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "expired idempotency keys were not deleted, trying again"
            ),
        }
        stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
    }
}
