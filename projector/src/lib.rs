//! Turns events into views in Postgres, and keeps the cache in Redis up to them.
//!
//! Read in this order: `projector.rs` (a batch's way) → `postgres_writer.rs` (its transaction) → `projections/` (one
//! view a file) → `redis_writer.rs` (what follows the commit) → `cache_upkeep.rs` (what makes up for a Redis that was
//! away, and for a process that died between the two). `history_partitions.rs` keeps the history's table.

mod application;
mod cache_generation;
mod cache_upkeep;
mod config;
mod database_failure;
mod history_partitions;
mod metrics;
mod offsets;
mod pending_cache;
mod postgres_writer;
mod projections;
mod projector;
mod redis_writer;

pub use application::{Application, BuildError};
pub use cache_upkeep::{CacheUpkeep, Upkeep, UpkeepError};
pub use config::{CacheConfig, Config, HistoryConfig};
pub use history_partitions::{HistoryPartitions, HistoryUpkeep, HistoryUpkeepError};
pub use offsets::OffsetsTable;
pub use postgres_writer::{PostgresWriter, StoredBatch, Written};
pub use projections::statistics;
pub use projector::Projector;
pub use redis_writer::{RedisUnavailable, RedisWriter};
