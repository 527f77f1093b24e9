#![doc = include_str!("../README.md")]

mod context;
pub mod database;
pub mod messaging;
pub mod object_store;
mod open;
mod recording;

pub use context::{Parent, TraceHeaders, current_trace_headers, remote_context};
pub use open::OpenSpan;
pub use recording::{is_recording, record_by};
