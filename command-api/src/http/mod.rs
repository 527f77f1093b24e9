//! REST: what is taken and answered, in terms of HTTP.

mod accounts;
mod admin;
mod bulk;
mod declared;
mod documentation;
mod items;
mod openapi;
mod preconditions;
mod redirect;
mod router;
mod uploads;
mod write_request;

use crate::execution::{answer, error, executor, idempotency, problems};

pub use bulk::{Bulk, BulkSettings, lines};
pub use openapi::document;
pub use router::{
    Accounts, ApiParts, ApiState, Database, DeadLetterDesk, QueryAddress, SweepDesk, batch_router,
    import_router, router, streaming_router, sweep_router,
};
pub use uploads::parts;
