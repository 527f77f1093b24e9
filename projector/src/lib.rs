//! Turns events into views in Postgres, and keeps the cache in Redis up to them.
//!
//! Read in this order: `projector.rs` (a batch's way) → `shared_writes.rs` (who goes with it) → `batch_store.rs` →
//! `postgres_writer.rs` (the transaction) → `projections/` (one view a file) → `redis_writer.rs` (what follows the commit)
//! → `cache_upkeep.rs` (what makes up for a Redis that was away, and for a process that died between the two).
//! `history_partitions.rs` keeps the history's table, `lost_history.rs` takes out of it what is no history any more;
//! `event_spans.rs` tells the traces of the events. `rebuild/` has the versions of the views: which of them are fed, and which one
//! serves.

mod application;
mod batch_store;
mod cache_generation;
mod cache_upkeep;
mod config;
mod database_failure;
mod event_spans;
mod history_partitions;
mod lost_history;
mod metrics;
mod offsets;
mod pending_cache;
mod postgres_writer;
mod projections;
mod projector;
mod rebuild;
mod redis_writer;
mod shared_writes;
mod vitals;

pub use application::{Application, BuildError};
pub use batch_store::{BatchStore, Told};
pub use cache_upkeep::{CacheUpkeep, Upkeep, UpkeepError};
pub use config::{CacheConfig, Config, HistoryConfig};
pub use event_spans::{CacheStep, Period, Steps, StoredBatch};
pub use history_partitions::{HistoryPartitions, HistoryUpkeep, HistoryUpkeepError};
pub use offsets::{OffsetsTable, Standing};
pub use postgres_writer::{PostgresWriter, StoredChanges, Written};
pub use projections::{SHAPE, statistics};
pub use projector::Projector;
pub use rebuild::{ProjectionError, SwitchRequest, compare, drop_rows, register, roll_back, switch};
pub use redis_writer::{Keys, RedisUnavailable, RedisWriter};
pub use shared_writes::{SharedWrites, SharingSettings};
