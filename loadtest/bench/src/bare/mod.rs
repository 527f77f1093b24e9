//! Limits that are servers: they check the token as the product does, and answer from memory.

mod grpc;
mod process;
mod rest;

pub use grpc::serve_grpc;
pub use process::BareServer;
pub use rest::{HotAnswer, serve_rest};
