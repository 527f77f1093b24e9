//! What a test runs on: real services, with a database, topics, a Redis prefix and bucket names of its own.
//!
//! `make services-up` starts the services. Where they are is read from the environment, then from `.env`, then from
//! `.env.example` at the top of the workspace.

#![allow(
    clippy::expect_used,
    reason = "a test that cannot be set up is to fail, with the reason"
)]

mod committed;
mod contract;
mod database;
mod gate;
mod history;
mod note;
mod picture;
mod ports;
mod recorded_spans;
mod sent_events;
mod settings;
mod topics;
mod wait;

pub use committed::assert_committed;
pub use contract::{Answered, Contract};
pub use database::TestDatabase;
pub use depot_migrate::{OperatorRole, ServiceRole, recovery};
pub use gate::Gate;
pub use history::backdate_history;
pub use note::{NOTE, Note};
pub use picture::small_png;
pub use ports::{free_port, free_port_beside, free_port_with_room};
pub use recorded_spans::{RecordedSpans, attribute, new_traceparent};
pub use sent_events::{SentEvent, SentEvents};
pub use settings::{Settings, settings};
pub use topics::{TestTopics, wait_until_led};
pub use wait::{eventually, wait_until};

/// A short name that no other test has, of letters and digits: fits a database, a topic, a bucket, a key.
pub fn unique_name() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    // The time alone is not enough for tests that start together; the tail is random.
    format!("t{}{}", &id[..12], &id[24..])
}
