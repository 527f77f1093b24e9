use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    goal::Goal,
    measurement::{Measurement, Use},
    rows::Row,
};

/// A row, summed up.
#[derive(Debug, Serialize)]
pub struct RowSummary {
    pub row: &'static str,
    pub about: &'static str,
    /// Measures it again, alone.
    pub command: String,
    /// Whether it is a first reading only.
    pub quick: bool,
    pub measures: BTreeMap<String, Measure>,
    pub goals: Vec<Verdict>,
}

/// What was measured of one thing in all rounds.
#[derive(Debug, Default, Serialize)]
pub struct Measure {
    pub rounds: usize,
    pub figures: BTreeMap<String, Spread>,
    pub processes: BTreeMap<String, Used>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_measured: Option<String>,
}

/// What a process used in all rounds.
#[derive(Debug, Serialize)]
pub struct Used {
    pub cpu_seconds: Spread,
    pub rss_before_bytes: Spread,
    pub rss_peak_bytes: Spread,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// Whether a goal is met, by the medians.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// `<measure>.<figure>` of ours and of what it is held against.
    pub ours: String,
    pub against: String,
    pub goal: String,
    /// None if one of the two was not measured.
    #[serde(flatten)]
    pub reading: Option<Reading>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Reading {
    pub ours_median: f64,
    pub against_median: f64,
    /// Cut to two digits, against us.
    pub ratio: f64,
    pub reached: bool,
}

pub fn of_row(row: &'static Row, measurements: &[Measurement]) -> RowSummary {
    let in_rounds: Vec<&Measurement> = measurements.iter().filter(|found| found.round > 0).collect();
    let names: BTreeSet<&str> = in_rounds.iter().map(|found| found.what.as_str()).collect();
    let measures: BTreeMap<String, Measure> = names
        .into_iter()
        .map(|name| {
            let of_it = in_rounds.iter().filter(|found| found.what == name);
            (name.to_owned(), measure(&of_it.copied().collect::<Vec<_>>()))
        })
        .collect();
    RowSummary {
        row: row.name,
        about: row.about,
        command: format!("depot-bench run --rows {}", row.name),
        quick: measurements.iter().any(|found| found.quick),
        goals: row.goals.iter().map(|goal| judge(goal, &measures)).collect(),
        measures,
    }
}

fn measure(rounds: &[&Measurement]) -> Measure {
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
    for found in rounds {
        for (name, value) in &found.values {
            figures.entry(name.clone()).or_default().push(*value);
        }
        for (process, used) in &found.processes {
            uses.entry(process.clone()).or_default().push(used.clone());
        }
    }
    let spreads = figures.into_iter().map(|(name, values)| (name, spread(values)));
    Measure {
        rounds: rounds.iter().filter(|found| found.not_measured.is_none()).count(),
        figures: spreads.collect(),
        processes: uses.into_iter().map(|(name, uses)| (name, used(&uses))).collect(),
        not_measured: rounds.iter().find_map(|found| found.not_measured.clone()),
    }
}

fn used(uses: &[Use]) -> Used {
    let of = |value: fn(&Use) -> f64| spread(uses.iter().map(value).collect());
    Used {
        cpu_seconds: of(|used| used.cpu_seconds),
        rss_before_bytes: of(|used| used.rss_before_bytes as f64),
        rss_peak_bytes: of(|used| used.rss_peak_bytes as f64),
    }
}

/// Of at least one value.
fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    };
    Spread {
        median,
        min: values[0],
        max: values[values.len() - 1],
    }
}

/// A figure may be the memory of a process, as `<process>.rss_peak_bytes`.
fn judge(goal: &Goal, measures: &BTreeMap<String, Measure>) -> Verdict {
    let median = |(what, figure): (&str, &str)| {
        let measure = measures.get(what)?;
        let spread = match figure.strip_suffix(".rss_peak_bytes") {
            Some(process) => &measure.processes.get(process)?.rss_peak_bytes,
            None => measure.figures.get(figure)?,
        };
        Some(spread.median)
    };
    let reading = median(goal.ours)
        .zip(median(goal.against))
        .map(|(ours, against)| Reading {
            ours_median: ours,
            against_median: against,
            ratio: goal.bound.cut(ours / against),
            reached: goal.bound.holds(ours / against),
        });
    Verdict {
        ours: format!("{}.{}", goal.ours.0, goal.ours.1),
        against: format!("{}.{}", goal.against.0, goal.against.1),
        goal: goal.bound.to_string(),
        reading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_one_or_between_the_two_middle_ones() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(spread(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        let spread = spread(vec![3.0, 1.0]);
        assert_eq!((spread.min, spread.max), (1.0, 3.0));
    }
}
