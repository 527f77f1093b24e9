//! How often one principal may ask.

use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter as Bucket};
use metrics::{Counter, Unit, counter, describe_counter};
use moka::sync::Cache;

use super::Refused;
use crate::config::RateLimitConfig;

const REFUSED: &str = "depot_rate_limited_total";

type PrincipalBucket = Bucket<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// A bucket for each principal that asked lately. A bucket is two words that are changed without a lock.
///
/// Memory is bounded: of more principals than there are places for, those that ask least are forgotten, and begin
/// with a full bucket when they come again. Only who has a valid token takes a place.
pub struct RateLimiter {
    buckets: Cache<String, Arc<PrincipalBucket>>,
    quota: Quota,
    per_second: u32,
    refused: Counter,
}

impl RateLimiter {
    /// None where the configuration switches it off.
    pub(super) fn new(config: &RateLimitConfig) -> Option<Self> {
        let (per_second, burst) = (config.per_second?, config.burst);
        describe_counter!(
            REFUSED,
            Unit::Count,
            "Requests refused because their principal sends too many"
        );
        let quota = Quota::per_second(per_second).allow_burst(burst.max(per_second));
        // After this a bucket is full again, and so as good as none.
        let full_after = quota.burst_size_replenished_in();
        let refused = counter!(REFUSED);
        refused.absolute(0);
        Some(Self {
            buckets: Cache::builder()
                .max_capacity(config.max_principals)
                .time_to_idle(full_after.max(Duration::from_secs(1)))
                .build(),
            quota,
            per_second: per_second.get(),
            refused,
        })
    }

    /// How many buckets there are, after what is due to be forgotten was.
    pub(super) fn principals(&self) -> u64 {
        self.buckets.run_pending_tasks();
        self.buckets.entry_count()
    }

    /// Counts a request.
    pub(super) fn take(&self, principal: &str) -> Result<(), Refused> {
        self.ask(principal).map_err(|wait| self.refuse(wait))
    }

    /// A refusal, which is counted: the next request is granted after `wait`.
    pub(super) fn refuse(&self, wait: Duration) -> Refused {
        self.refused.increment(1);
        Refused::TooMany {
            per_second: self.per_second,
            // Rounded up: after less it would be refused again.
            retry_after: Duration::from_secs(wait.as_millis().div_ceil(1_000).max(1) as u64),
        }
    }

    /// Counts a request, if it is granted.
    ///
    /// # Errors
    /// It is not, until so much time has passed; nothing was counted.
    pub(super) fn ask(&self, principal: &str) -> Result<(), Duration> {
        let bucket = match self.buckets.get(principal) {
            Some(bucket) => bucket,
            None => self.buckets.get_with_by_ref(principal, || {
                Arc::new(Bucket::direct_with_clock(self.quota, MonotonicClock))
            }),
        };
        bucket
            .check()
            .map_err(|until| until.wait_time_from(MonotonicClock.now()))
    }
}

/// Shows no principal.
impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}
