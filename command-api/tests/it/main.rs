//! The whole service on a real database of each test's own. Except in `pipeline` and `store_notifications`, Kafka is away:
//! the relay and the saga's consumer are off and the saga's handlers are called. Signing needs no network; where `staging`
//! is used there is a real object store.
#![cfg(test)]

mod admin;
mod api;
mod away;
mod bad_input;
mod batch;
mod client;
mod conflicts;
mod content;
mod dead_letters;
mod deadlines;
mod declared;
mod expiry;
mod faults;
mod grouped;
mod grpc;
mod idempotency;
mod import;
mod item_deletion;
mod items;
mod parts;
mod pipeline;
mod quota;
mod redriven;
mod refusals;
mod republish;
mod saga;
mod saga_desk;
mod saga_repair;
mod service;
mod staging;
mod store_notifications;
mod sweep;
mod trace;
mod uploads;
