use std::time::Duration;

/// Time since boot by a clock that never goes back and counts the time for which the machine, or this process, was
/// suspended: a lease that expired meanwhile is seen to have expired. (`Instant` does not count suspension.)
pub(crate) fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
