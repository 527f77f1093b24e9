//! query-api against real services: rows are written as the projector writes them, answers are read over HTTP and gRPC.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that cannot be taken fails its test"
)]

mod away;
mod bad_input;
mod cache;
mod console;
mod declared;
mod downloads;
mod event_stream;
mod export;
mod grpc;
mod harness;
mod history;
mod http;
mod items;
mod lists;
mod min_version;
mod newest_pages;
mod pipeline;
mod stream;
mod trace;
mod uploads;
mod watch;
