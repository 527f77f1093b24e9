//! What is done for each command, each event and each read, without any service behind it: `make bench-micro`.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on is to stop with the reason"
)]

mod commands;
mod events;
mod item;
mod reads;

use criterion::{criterion_group, criterion_main};

criterion_group!(hot_path, commands::bench, events::bench, reads::bench);
criterion_main!(hot_path);
