//! The four services as processes, on a database, topics and buckets of one test's own.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot be set up is to fail, with the reason"
)]

mod authority;
mod backing;
mod client;
mod event_stream;
mod log;
mod own;
mod process;
mod scanner;
mod stack;

pub use authority::{Authority, Signed};
pub use backing::Backing;
pub use client::{Answer, Client, sha256_hex};
pub use event_stream::EventStream;
pub use log::{LogRecord, produce_raw, read_topic, read_topic_on};
pub use own::{
    ConfiguredPostgres, Folder, KafkaCluster, OwnKafka, OwnPostgres, OwnPrometheus, OwnRedis, OwnStore,
    ReplicatedPostgres, TlsKafka, TlsPostgres,
};
pub use process::{Service, ServiceProcess, built_program, run_program};
pub use scanner::Scanner;
pub use stack::{Another, Depot, free_ports};
