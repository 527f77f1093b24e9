//! command-api: accepts commands over REST and gRPC, and runs the relay and the saga of what they change.
//!
//! Read in this order: `http/items → execution/executor.rs → commands/create_item.rs → store/items.rs`, and for what
//! follows from events `saga/consumer.rs → saga/upload_saga.rs`.

pub mod announcement;
pub mod application;
pub mod commands;
pub mod config;
pub mod dead_letters;
pub mod execution;
pub mod grpc;
pub mod http;
pub mod key_expiry;
pub mod multipart;
pub mod republish;
pub mod saga;
pub mod staging;
pub mod store;
pub mod store_notifications;
pub mod sweep;
mod vitals;
