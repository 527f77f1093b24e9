use std::{fmt, time::Duration};

use depot_topics::LogEndsError;

/// Why nothing was done to a version of the views.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    #[error("projection {0} does not exist")]
    Unknown(i32),
    /// Its state, or that of the one that serves, does not allow it; the text says what to do.
    #[error("{0}")]
    NotSo(String),
    #[error(
        "projection {projection} is behind {serving}, which serves: {}",
        Listed(places)
    )]
    Behind {
        projection: i32,
        serving: i32,
        /// At least one.
        places: Vec<BehindPlace>,
    },
    #[error("projections {projection} and {serving} did not come to the same offsets within {} s", limit.as_secs())]
    NotMet {
        projection: i32,
        serving: i32,
        limit: Duration,
    },
    #[error("Postgres did not {what}")]
    Database {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("where the log ends is not known")]
    LogEnds(#[from] LogEndsError),
}

/// A partition in which a version of the views is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehindPlace {
    pub topic: String,
    pub partition: i32,
    /// Of the one that serves.
    pub serving: i64,
    /// None where it was not begun.
    pub next_offset: Option<i64>,
}

struct Listed<'a>(&'a [BehindPlace]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 3;
        for (number, place) in self.0.iter().take(NAMED).enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            let (topic, partition) = (&place.topic, place.partition);
            write!(f, "{separator}{topic} [{partition}] ")?;
            match place.next_offset {
                Some(next) => write!(f, "at {next} of {}", place.serving)?,
                None => f.write_str("not begun")?,
            }
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl ProjectionError {
    /// The error of a statement that was to do `what`.
    pub(super) fn of(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partitions_that_are_behind_are_named() {
        let place = |partition, next_offset| BehindPlace {
            topic: "t".to_owned(),
            partition,
            serving: 9,
            next_offset,
        };
        let error = ProjectionError::Behind {
            projection: 2,
            serving: 1,
            places: vec![
                place(0, Some(7)),
                place(1, None),
                place(2, Some(1)),
                place(3, Some(2)),
            ],
        };
        let text = "projection 2 is behind 1, which serves: t [0] at 7 of 9, t [1] not begun, t [2] at 1 of 9, and 1 more";
        assert_eq!(error.to_string(), text);
    }
}
