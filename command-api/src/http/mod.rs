//! REST: what is taken and answered, in terms of HTTP.

mod accounts;
mod admin;
mod alone;
mod answer;
mod bulk;
mod documentation;
mod error;
mod executor;
mod group;
pub mod idempotency;
mod items;
mod openapi;
mod preconditions;
mod problems;
mod redirect;
mod router;
mod uploads;
mod write_request;

pub use bulk::{Bulk, BulkSettings, lines};
pub use executor::{Executor, ExecutorSettings};
pub use group::GroupSettings;
pub use openapi::document;
pub use router::{
    Accounts, ApiParts, ApiState, Database, DeadLetterDesk, InParts, QueryAddress, SweepDesk, UploadPolicy,
    batch_router, import_router, router, streaming_router, sweep_router,
};
pub use uploads::parts;
pub use write_request::Identity;
