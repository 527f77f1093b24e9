//! The time by which tokens are checked.

use std::time::{SystemTime, UNIX_EPOCH};

/// A wall clock. It may jump, forwards and backwards: nothing but `exp` and `nbf` is measured by it.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970.
    fn now(&self) -> u64;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        // Before 1970 no token is valid yet.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}
