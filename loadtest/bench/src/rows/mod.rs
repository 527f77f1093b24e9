//! What is measured, one row of the table a file, in the order of importance.

mod accepted_commands;
mod backlog;
mod bare_hops;
mod command_latency;
mod command_to_visible;
mod commands;
mod commit_to_kafka;
mod cpu_and_memory;
mod files;
mod files_moved;
mod growth;
mod growth_of_catch_up;
mod growth_of_commands;
mod growth_of_drain;
mod growth_of_lists;
mod growth_of_reads;
mod growth_of_visible;
mod hot_item;
mod instances;
mod item_over_grpc;
mod item_over_redis;
mod items;
mod list_of_50;
mod outbox_drain;
mod outbox_size;
mod partitions;
mod prepared_views;
mod projector_catch_up;
mod relay_memory;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use crate::{bench::Bench, goal::Goal};

/// A row of the table.
pub struct Row {
    pub name: &'static str,
    /// What is measured, of what: limit, ours, peers.
    pub about: &'static str,
    /// Limits and ours, in the order of the alternation.
    pub measures: &'static [&'static str],
    pub peers: &'static [&'static str],
    pub goals: &'static [Goal],
    /// Measures whatever of it is missing.
    pub run: for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, Result<()>>,
}

pub const ROWS: &[Row] = &[
    accepted_commands::ROW,
    command_latency::ROW,
    outbox_drain::ROW,
    commit_to_kafka::ROW,
    relay_memory::ROW,
    projector_catch_up::ROW,
    hot_item::ROW,
    item_over_redis::ROW,
    item_over_grpc::ROW,
    list_of_50::ROW,
    command_to_visible::ROW,
    files_moved::ROW,
    cpu_and_memory::ROW,
];

/// How cost grows with what lies behind: apart, since filling takes its time.
pub const GROWTH: &[Row] = &[
    growth_of_commands::ROW,
    growth_of_drain::ROW,
    growth_of_catch_up::ROW,
    growth_of_reads::ROW,
    growth_of_lists::ROW,
    growth_of_visible::ROW,
    partitions::ROW,
    instances::ROW,
    outbox_size::ROW,
];
