//! The whole service on a real database of each test's own. Except in `pipeline`, the relay and the saga's consumer are
//! off and the saga's handlers are called; signing needs no network.
#![cfg(test)]

mod admin;
mod api;
mod bad_input;
mod client;
mod dead_letters;
mod deadlines;
mod expiry;
mod faults;
mod idempotency;
mod item_deletion;
mod items;
mod pipeline;
mod quota;
mod saga;
mod service;
mod uploads;
