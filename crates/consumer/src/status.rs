//! What a consumer tells about itself: for readiness, for people, for tests.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::group::Group;

/// Something that fails since a moment and is being retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when, without a success in between.
    pub since: OffsetDateTime,
    /// The last error, with its causes.
    pub message: String,
}

/// What a partition's task is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionState {
    /// Its offset is being loaded.
    Starting,
    /// Records are taken and handled (or there are none).
    Running,
    /// A dependency is away; the same work is tried again.
    BackingOff(Trouble),
    /// It does nothing until it is assigned again, since going on would lose or repeat records.
    Stopped {
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// One assigned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Which assignment of this consumer it is.
    pub generation: u64,
    /// What its task is doing.
    pub state: PartitionState,
    /// The next offset: the watermark of a keyed consumer, the last stored one of a batch consumer. `None` until loaded.
    pub next_offset: Option<i64>,
    /// Records taken and not yet passed by `next_offset`; never more than the settings' window or batch.
    pub unfinished: usize,
    /// Messages between `next_offset` and the end of the log, as of the last statistics. `None` until known.
    pub lag: Option<i64>,
}

/// A consumer as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// The group.
    pub group: Arc<str>,
    /// Whether the group has taken this member in, with or without partitions.
    pub joined: bool,
    /// The assigned partitions, by topic and number.
    pub partitions: Vec<PartitionStatus>,
    /// Set while no broker can be reached.
    pub kafka: Option<Trouble>,
    /// Why the consumer has stopped for good, if it has.
    pub failed: Option<String>,
}

impl ConsumerStatus {
    /// What readiness is waiting for, one sentence each; empty when the consumer is ready.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<String> {
        let group = &self.group;
        let mut reasons = Vec::new();
        if let Some(error) = &self.failed {
            reasons.push(format!("group {group} has stopped: {error}"));
        }
        if let Some(trouble) = &self.kafka {
            reasons.push(format!(
                "Kafka is unreachable since {}: {}",
                trouble.since, trouble.message
            ));
        }
        if !self.joined {
            reasons.push(format!("group {group} has not taken this member in yet"));
        }
        for status in &self.partitions {
            let place = format!("{} [{}]", status.topic, status.partition);
            match &status.state {
                PartitionState::Running => {}
                PartitionState::Starting => reasons.push(format!("{place}: its offset is being loaded")),
                PartitionState::BackingOff(trouble) => {
                    reasons.push(format!(
                        "{place}: retrying since {}: {}",
                        trouble.since, trouble.message
                    ));
                }
                PartitionState::Stopped { reason } => reasons.push(format!("{place} is stopped: {reason}")),
            }
        }
        reasons
    }
}

/// Looks into a running consumer. Cheap to clone; outlives the consumer.
#[derive(Clone)]
pub struct ConsumerHandle {
    pub(crate) group: Arc<Group>,
}

impl ConsumerHandle {
    /// The consumer as it is now.
    #[must_use]
    pub fn status(&self) -> ConsumerStatus {
        self.group.status()
    }
}

impl std::fmt::Debug for ConsumerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumerHandle")
            .field("status", &self.status())
            .finish()
    }
}
