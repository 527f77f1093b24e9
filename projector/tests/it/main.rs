//! The projector on a real Postgres, Redis and Kafka.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up is to fail, in its helpers too"
)]

mod cache;
mod cost;
mod events;
mod fixture;
mod history_partitions;
mod history_retention;
mod own_redis;
mod partitions;
mod pipeline;
mod random_histories;
mod redriven;
mod shared;
mod views;
mod whole_process;
