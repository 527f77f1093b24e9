#![doc = include_str!("../README.md")]

mod append;
mod clock;
mod doorbell;
mod error;
mod event;
mod headers;
mod metrics;
mod outstanding;
mod overview;
mod publish;
mod relay;
mod shard;
mod snapshot;
mod store;
mod whereabouts;

pub use append::{AppendError, append};
pub use doorbell::{Doorbell, ShardSet};
pub use error::RelayError;
pub use event::{InvalidEvent, MAX_EVENT_BYTES, NewEvent, NewRow};
pub use overview::{Overview, ParkedOverview, ShardOverview, overview};
pub use relay::resume;
pub use relay::{Relay, RelayHandle, RelayOptions, RelayState, RelayStatus, StepOutcome};
pub use shard::{SHARDS, shard_of};
pub use snapshot::InvalidSnapshot;
pub use whereabouts::{EventRow, Holder, OutboxRow, Parked, Whereabouts, find_event, whereabouts};
