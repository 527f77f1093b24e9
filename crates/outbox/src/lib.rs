#![doc = include_str!("../README.md")]

mod append;
mod clock;
mod doorbell;
mod error;
mod event;
mod headers;
mod metrics;
mod overview;
mod publish;
mod relay;
mod shard;
mod snapshot;
mod store;

pub use append::{AppendError, append};
pub use doorbell::{Doorbell, ShardSet};
pub use error::RelayError;
pub use event::{InvalidEvent, MAX_EVENT_BYTES, NewEvent, NewRow};
pub use overview::{Overview, ParkedOverview, ShardOverview, overview};
pub use relay::resume;
pub use relay::{Relay, RelayHandle, RelayOptions, RelayState, RelayStatus, StepOutcome};
pub use shard::{SHARDS, shard_of};
pub use snapshot::InvalidSnapshot;
