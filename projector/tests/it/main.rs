//! The projector on a real Postgres, Redis and Kafka.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up is to fail, in its helpers too"
)]

mod cache;
mod comparison;
mod cost;
mod declared;
mod dropping;
mod events;
mod fixture;
mod given_up;
mod history_partitions;
mod history_retention;
mod own_redis;
mod partitions;
mod pipeline;
mod random_histories;
mod rebuild;
mod recovered;
mod redriven;
mod shared;
mod switch;
mod traces;
mod views;
mod whole_process;
