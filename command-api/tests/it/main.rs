//! The whole service on a real database of each test's own. Except in `pipeline`, the relay and the saga's consumer are
//! off and the saga's handlers are called; signing needs no network. A real
//! object store is used where `staging` is.
#![cfg(test)]

mod api;
mod bad_input;
mod client;
mod content;
mod expiry;
mod faults;
mod idempotency;
mod items;
mod parts;
mod pipeline;
mod quota;
mod saga;
mod service;
mod staging;
mod uploads;
