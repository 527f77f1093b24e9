//! The last quarter of an hour of the main figures, in memory that does not grow.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::picture::Series;

/// Between two points.
pub const STEP: Duration = Duration::from_secs(5);
/// A quarter of an hour.
const POINTS: usize = 180;

/// The figures of one moment, by name.
pub type Point = BTreeMap<&'static str, Option<f64>>;

/// The newest points.
#[derive(Debug, Default)]
pub struct Ring {
    points: VecDeque<(OffsetDateTime, Point)>,
}

impl Ring {
    /// Adds a point, and lets go of the oldest one where there are enough.
    pub fn push(&mut self, at: OffsetDateTime, point: Point) {
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back((at, point));
    }

    /// The points after a moment, or all.
    pub fn since(&self, since: Option<OffsetDateTime>) -> Series {
        let shown: Vec<_> = self
            .points
            .iter()
            .filter(|(at, _)| since.is_none_or(|since| *at > since))
            .collect();
        let names = shown.iter().flat_map(|(_, point)| point.keys().copied());
        let of = |name: &'static str| {
            let values = shown.iter().map(|(_, point)| point.get(name).copied().flatten());
            (name, values.collect())
        };
        Series {
            step_seconds: STEP.as_secs(),
            at: shown
                .iter()
                .filter_map(|(at, _)| at.format(&Rfc3339).ok())
                .collect(),
            of: names.map(of).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

    fn ring(points: u32) -> Ring {
        let mut ring = Ring::default();
        for number in 0..points {
            let point = Point::from([("rows", Some(f64::from(number))), ("gap", None)]);
            ring.push(START + STEP * number, point);
        }
        ring
    }

    #[test]
    fn a_quarter_of_an_hour_is_kept_and_no_more() {
        let ring = ring(1_000);
        let series = ring.since(None);
        assert_eq!(series.at.len(), POINTS);
        assert_eq!(series.of["rows"].len(), POINTS);
        assert_eq!(series.of["rows"].last(), Some(&Some(999.0)));
        assert!(series.of["gap"].iter().all(Option::is_none));
        assert!(ring.points.capacity() < 2 * POINTS);
    }

    #[test]
    fn only_what_came_later_is_shown_to_who_has_the_rest() {
        let ring = ring(10);
        let series = ring.since(Some(START + STEP * 7));
        assert_eq!(series.of["rows"], [Some(8.0), Some(9.0)]);
        assert_eq!(series.at, ["2026-01-01T00:00:40Z", "2026-01-01T00:00:45Z"]);
        assert!(ring.since(Some(START + STEP * 9)).at.is_empty());
    }
}
