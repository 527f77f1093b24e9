//! The one Kafka consumer of this system: a group member that hands records to a handler, in order per key or in
//! batches per partition, and never lets an offset pass work that is not done.
//!
//! - [`Consumer::start_keyed`]: records of one partition run side by side when their keys differ, one after the other
//!   when they are equal; offsets are committed to Kafka behind a watermark ([`OrderedCommit`]). For slow work.
//! - [`Consumer::start_batch`]: what has gathered is handed over in order, and the handler stores the next offset in
//!   its own transaction; an [`OffsetSource`] tells where to begin. For projections.
//!
//! The kinds of [`Failure`] are kept apart: *poison* goes to the dead-letter topic first and is then passed;
//! *transient* pauses the work and tries again for as long as it takes; *retry later* sends one message through
//! [`RetryTopics`], and what follows of its key after it; *fatal* stops the consumer. Dead letters come back by a topic
//! of their group's own: the first of its retry topics, or [`ConsumerSettings::redrive_topic`].
//!
//! How it runs: one thread polls the group (rebalances, commits, statistics) and nothing else, so a slow handler never
//! costs the membership. Each assigned partition has a task of its own that takes records from the partition's own
//! queue when it has room for them. What the task doesn't take stays in the client's queue, which is bounded by
//! [`ConsumerSettings::prefetch_records`] and [`ConsumerSettings::prefetch_kbytes`]; nothing is ever dropped and read
//! again. Read in this order: `consumer.rs → group.rs → rebalance.rs → partition.rs → keyed.rs | batch.rs → dead_letter.rs`.

mod attempt;
mod batch;
mod commit;
mod commit_marks;
mod consumer;
mod dead_letter;
mod error;
mod events;
mod group;
mod handler;
mod keyed;
mod metrics;
mod offset_source;
mod ordered_commit;
mod origin;
mod partition;
mod progress;
mod rebalance;
mod record;
mod retry;
mod settings;
mod status;
#[cfg(test)]
mod unconnected;

pub use consumer::Consumer;
pub use dead_letter::{DeadLetters, dead_letter_topic, header};
pub use error::ConsumerError;
pub use events::Events;
pub use handler::{
    Batch, BatchHandler, BatchOutcome, BoxError, Context, Failure, GivenUp, KeyHandler, Poison,
};
pub use metrics::describe_metrics;
pub use offset_source::{OffsetSource, OffsetUnavailable};
pub use ordered_commit::OrderedCommit;
pub use origin::Origin;
pub use record::{Record, TimestampType};
pub use retry::{ParkedKeys, ParkedUnavailable, Place, RetryTier, RetryTopics, Slot, Tenure, TenureLost};
pub use settings::{ConsumerSettings, GroupProtocol, StartWithoutOffset};
pub use status::{ConsumerHandle, ConsumerStatus, PartitionState, PartitionStatus, Trouble};
