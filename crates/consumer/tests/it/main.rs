//! The consumer on a real Kafka.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up is to fail, in its helpers too"
)]

mod batch;
mod failures;
mod keyed;
mod log;
mod members;
mod offsets;
mod parked;
mod redriven;
mod retries;
mod running;
mod texts;
