//! `RATE_LIMIT_PER_SECOND`, `RATE_LIMIT_BURST`, `RATE_LIMIT_MAX_PRINCIPALS`.

use std::num::NonZeroU32;

use super::ConfigReader;

/// How often each principal may ask this process.
#[derive(Debug, Clone)]
pub struct RateLimitConfig {
    /// In the long run; none: there is no limit.
    pub per_second: Option<NonZeroU32>,
    /// At once, after a pause.
    pub burst: NonZeroU32,
    /// Principals that are told apart at a time.
    pub max_principals: u64,
}

impl RateLimitConfig {
    /// Reads the group. Without a burst, it is what two seconds grant.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let per_second = reader.number("RATE_LIMIT_PER_SECOND", 1_000_u32, 0..=1_000_000);
        let burst = reader.number(
            "RATE_LIMIT_BURST",
            per_second.saturating_mul(2).max(1),
            1..=10_000_000_u32,
        );
        Self {
            per_second: NonZeroU32::new(per_second),
            burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
            max_principals: reader.number("RATE_LIMIT_MAX_PRINCIPALS", 100_000, 100..=10_000_000),
        }
    }
}

impl Default for RateLimitConfig {
    /// No limit: for tests.
    fn default() -> Self {
        Self {
            per_second: None,
            burst: NonZeroU32::MIN,
            max_principals: 1_000,
        }
    }
}
