//! What the projector tells of the versions of the views, to whoever asked.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Ids of rows that a comparison lists for each view; of more it only tells that there are.
pub const MAX_LISTED: usize = 20;

/// Where a version of the views is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionState {
    /// Fed, and never served.
    Building,
    /// Readers are answered from it.
    Serving,
    /// Fed, and served before: it can serve again at once.
    Standby,
    /// Not fed any more; its rows are being removed.
    Dropping,
    /// Its rows are gone.
    Dropped,
}

impl ProjectionState {
    pub const ALL: [Self; 5] = [
        Self::Building,
        Self::Serving,
        Self::Standby,
        Self::Dropping,
        Self::Dropped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Serving => "serving",
            Self::Standby => "standby",
            Self::Dropping => "dropping",
            Self::Dropped => "dropped",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether projectors feed it.
    pub fn is_fed(self) -> bool {
        matches!(self, Self::Building | Self::Serving | Self::Standby)
    }
}

impl fmt::Display for ProjectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All versions of the views.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectionList {
    /// The one that readers are answered from.
    pub serving: i32,
    /// By number.
    pub projections: Vec<ProjectionStatus>,
}

/// One version of the views.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectionStatus {
    pub projection: i32,
    pub state: ProjectionState,
    /// Which programs feed it: those that write rows of this shape.
    pub shape: i32,
    /// Whether it passes by events that it cannot apply, where the one that serves has applied them.
    pub skips_poison: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it came to serve, and when it ceased to, the last time each.
    #[serde(with = "time::serde::rfc3339::option")]
    pub served_from: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub served_to: Option<OffsetDateTime>,
    /// When it was last compared, and in how many rows it differed, or at least so many.
    #[serde(with = "time::serde::rfc3339::option")]
    pub compared_at: Option<OffsetDateTime>,
    pub differences: Option<i64>,
    /// Where it stands in the log; empty where it is not fed.
    pub places: Vec<ProjectionPlace>,
    /// How many events it could not apply and has passed.
    pub given_up: i64,
    /// Events that it cannot apply, and that its partitions stand before.
    pub stands_before: Vec<GivenUpEvent>,
    /// Rows of each view, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<BTreeMap<String, i64>>,
}

/// Where a version of the views stands in a partition of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionPlace {
    pub topic: String,
    pub partition: i32,
    /// All before it is applied.
    pub next_offset: i64,
    /// Where the log begins and ends.
    pub log_first_offset: i64,
    pub log_next_offset: i64,
}

/// An event that a version of the views cannot apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUpEvent {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub reason_class: String,
    pub message: String,
}

impl ProjectionPlace {
    /// Events that are not applied yet.
    pub fn lag(&self) -> i64 {
        (self.log_next_offset - self.next_offset.max(self.log_first_offset)).max(0)
    }

    /// Events of the log.
    pub fn total(&self) -> i64 {
        (self.log_next_offset - self.log_first_offset).max(0)
    }
}

impl ProjectionStatus {
    /// Events that are not applied yet, in all partitions.
    pub fn lag(&self) -> i64 {
        self.places.iter().map(ProjectionPlace::lag).sum()
    }

    /// Events of the log, in all partitions.
    pub fn total(&self) -> i64 {
        self.places.iter().map(ProjectionPlace::total).sum()
    }

    /// By how many events the partition that is furthest behind those of `other` is behind; none where one of them was not
    /// begun yet.
    pub fn behind(&self, other: &Self) -> Option<i64> {
        let behind = other.places.iter().map(|theirs| {
            let is_same =
                |ours: &&ProjectionPlace| (&ours.topic, ours.partition) == (&theirs.topic, theirs.partition);
            let ours = self.places.iter().find(is_same)?;
            Some((theirs.next_offset - ours.next_offset).max(0))
        });
        behind
            .collect::<Option<Vec<i64>>>()
            .map(|all| all.into_iter().max().unwrap_or(0))
    }
}

/// A version of the views that is being built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub projection: i32,
    /// False where it was being built before.
    pub is_new: bool,
    pub skips_poison: bool,
}

/// Two versions of the views, row by row, at the same place of every partition of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Comparison {
    pub projection: i32,
    /// The one that it was compared with: the one that served.
    pub serving: i32,
    /// Rows that differ, or are in one of them only; at least so many.
    pub differences: i64,
    pub views: Vec<ViewComparison>,
}

/// One view in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewComparison {
    pub view: String,
    pub of_serving: ViewChecksum,
    pub of_projection: ViewChecksum,
    /// Ids whose rows differ, [`MAX_LISTED`] at most.
    pub differing: Vec<String>,
    /// At least so many ids' rows differ.
    pub differences: i64,
}

/// What the rows of a view come to, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewChecksum {
    pub rows: i64,
    /// 32 hexadecimal digits: the sum of the rows' hashes.
    pub checksum: String,
}

/// Another version of the views serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    pub from: i32,
    pub to: i32,
    /// For how long the one that served before stood still.
    pub held_ms: u64,
}

/// Rows were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    pub projection: i32,
    /// By this call.
    pub rows: u64,
    /// Nothing is left.
    pub is_done: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32, next_offset: i64) -> ProjectionPlace {
        ProjectionPlace {
            topic: "depot.items.v1".to_owned(),
            partition,
            next_offset,
            log_first_offset: 2,
            log_next_offset: 10,
        }
    }

    fn status(places: Vec<ProjectionPlace>) -> ProjectionStatus {
        ProjectionStatus {
            projection: 2,
            state: ProjectionState::Building,
            shape: 1,
            skips_poison: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            served_from: None,
            served_to: None,
            compared_at: None,
            differences: None,
            places,
            given_up: 0,
            stands_before: Vec::new(),
            rows: None,
        }
    }

    #[test]
    fn it_is_behind_by_what_its_last_partition_is() {
        let other = status(vec![place(0, 7), place(1, 9)]);
        let ours = status(vec![place(0, 8), place(1, 4)]);
        assert_eq!(ours.behind(&other), Some(5));
        assert_eq!(other.behind(&ours), Some(1));
        assert_eq!(status(vec![place(0, 9)]).behind(&other), None);
    }

    #[test]
    fn what_the_log_has_lost_is_not_waited_for() {
        let begun = status(vec![place(0, 0), place(1, 10)]);
        assert_eq!((begun.lag(), begun.total()), (8, 16));
    }

    #[test]
    fn a_state_reads_back_by_its_name() {
        for state in ProjectionState::ALL {
            assert_eq!(ProjectionState::from_name(state.as_str()), Some(state));
        }
        assert_eq!(ProjectionState::from_name("served"), None);
    }
}
