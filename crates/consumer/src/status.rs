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

#[cfg(test)]
mod tests {
    use super::{ConsumerStatus, PartitionState, PartitionStatus, Trouble};
    use time::macros::datetime;

    fn trouble() -> Trouble {
        Trouble {
            since: datetime!(2026-01-01 0:00 UTC),
            message: "connection refused".into(),
        }
    }

    /// A member whose partitions are in these states.
    fn status(states: impl IntoIterator<Item = PartitionState>) -> ConsumerStatus {
        let partition = |(number, state)| PartitionStatus {
            topic: "things.v1".into(),
            partition: number,
            generation: 1,
            state,
            next_offset: None,
            unfinished: 0,
            lag: None,
        };
        ConsumerStatus {
            group: "g".into(),
            joined: true,
            partitions: (0..).zip(states).map(partition).collect(),
            kafka: None,
            failed: None,
        }
    }

    #[test]
    fn a_member_whose_partitions_run_waits_for_nothing_and_one_without_partitions_neither() {
        assert!(status([PartitionState::Running]).waiting_for().is_empty());
        assert!(status([]).waiting_for().is_empty());
    }

    #[test]
    fn each_partition_that_does_not_run_is_named_with_its_reason() {
        let states = [
            PartitionState::Starting,
            PartitionState::Running,
            PartitionState::BackingOff(trouble()),
            PartitionState::Stopped {
                reason: "offset 7 is gone".into(),
            },
        ];
        assert_eq!(
            status(states).waiting_for(),
            [
                "things.v1 [0]: its offset is being loaded",
                "things.v1 [2]: retrying since 2026-01-01 0:00:00.0 +00:00:00: connection refused",
                "things.v1 [3] is stopped: offset 7 is gone",
            ]
        );
    }

    #[test]
    fn a_consumer_that_is_no_member_cannot_reach_kafka_or_has_ended_says_so() {
        let mut status = status([]);
        status.joined = false;
        status.kafka = Some(trouble());
        status.failed = Some("the schema is missing".into());
        assert_eq!(
            status.waiting_for(),
            [
                "group g has stopped: the schema is missing",
                "Kafka is unreachable since 2026-01-01 0:00:00.0 +00:00:00: connection refused",
                "group g has not taken this member in yet",
            ]
        );
    }
}
