//! What the four services share.
//!
//! A service starts in this order: [`install_crypto_provider`], configuration ([`config`]), [`telemetry::init`],
//! then a [`process::Process`] to which it adds its listeners and tasks, and which it runs until it is stopped.
//!
//! | module | what |
//! |---|---|
//! | [`config`] | the environment, checked at start, all faults at once |
//! | [`telemetry`] | logs, traces, W3C trace context |
//! | [`metrics`] | the metrics that every process has, rendered for Prometheus |
//! | [`auth`] | bearer tokens and roles |
//! | [`problem`], [`json`], [`params`] | errors over HTTP, and strict input |
//! | [`openapi`] | the document of an API, completed, and as a page |
//! | [`layers`] | what wraps every public router |
//! | [`health`], [`shutdown`], [`process`] | probes, owned tasks, orderly end |
//! | [`heartbeat`] | what a process tells to who shows all of them |
//! | [`database`] | a Postgres pool with time-outs |
//! | [`profiling`] | profiles of CPU time, and the tasks that there are |
//! | [`startup`] | whether the installation is one that the program works with, asked once |

mod allocator;
pub mod auth;
pub mod config;
pub mod connections;
mod crypto;
pub mod database;
pub mod health;
pub mod heartbeat;
pub mod json;
pub mod layers;
pub mod metrics;
pub mod ndjson;
pub mod openapi;
pub mod params;
pub mod problem;
pub mod process;
pub mod profiling;
mod runtime;
pub mod shutdown;
pub mod startup;
pub mod telemetry;

pub use crypto::install_crypto_provider;
pub use runtime::{REFUSED, run_to_the_end};
