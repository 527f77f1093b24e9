#![cfg(test)]
//! See the package's front page.

mod document;
mod ground;
mod item_events;
mod kill_point;
mod log;
mod relaying;
mod story;

mod ack_before_work;
mod dropped_partition;
mod dual_write;
mod idempotency_race;
mod long_transaction;
mod offset_set_back;
mod older_over_newer;
mod sequence_gap;
mod single_retry;
mod skip_locked;
mod stopped_leader;
mod transaction_order;
mod two_commands;
