//! Which metrics are told, and how their series are put together.

use std::collections::BTreeMap;

use super::{Value, sample::Sample};

/// How series become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Added: counters, and gauges of which each counts something else.
    Sum,
    /// The largest: ages, and gauges that all tell the same.
    Max,
}

/// One metric, and what of it is told.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    metric: &'static str,
    fold: Fold,
    of_buckets: bool,
    by: &'static [&'static str],
    only: Option<(&'static str, &'static [&'static str])>,
    except: Option<(&'static str, &'static [&'static str])>,
}

impl Figure {
    /// All series of a metric, added.
    #[must_use]
    pub const fn sum(metric: &'static str) -> Self {
        Self::of(metric, Fold::Sum)
    }

    /// A histogram's buckets, those of all series added: told under the metric's own name, each with its bound in `le`.
    #[must_use]
    pub const fn histogram(metric: &'static str) -> Self {
        Self {
            of_buckets: true,
            by: &["le"],
            ..Self::of(metric, Fold::Sum)
        }
    }

    /// The largest of a metric's series.
    #[must_use]
    pub const fn max(metric: &'static str) -> Self {
        Self::of(metric, Fold::Max)
    }

    const fn of(metric: &'static str, fold: Fold) -> Self {
        Self {
            metric,
            fold,
            of_buckets: false,
            by: &[],
            only: None,
            except: None,
        }
    }

    /// Keeps series apart that differ in these labels.
    #[must_use]
    pub const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { by: labels, ..self }
    }

    /// Only series of which this label has one of these values.
    #[must_use]
    pub const fn only(self, label: &'static str, values: &'static [&'static str]) -> Self {
        Self {
            only: Some((label, values)),
            ..self
        }
    }

    /// No series of which this label has one of these values.
    #[must_use]
    pub const fn except(self, label: &'static str, values: &'static [&'static str]) -> Self {
        Self {
            except: Some((label, values)),
            ..self
        }
    }

    /// Whether it is about lines with this name.
    fn is_named(&self, name: &str) -> bool {
        match self.of_buckets {
            true => name.strip_suffix("_bucket") == Some(self.metric),
            false => name == self.metric,
        }
    }

    fn takes(&self, sample: &Sample) -> bool {
        let has = |(label, values): (&str, &[&str])| {
            let value = sample.label(label);
            value.is_some_and(|value| values.contains(&value))
        };
        self.is_named(sample.name) && self.only.is_none_or(has) && !self.except.is_some_and(has)
    }
}

/// A figure by its place, and the labels by which it is kept apart.
type Series = (usize, Vec<(&'static str, String)>);

/// The figures, read from a text in Prometheus' format.
pub(super) fn read(figures: &[Figure], text: &str) -> Vec<Value> {
    let mut told: BTreeMap<Series, f64> = BTreeMap::new();
    for line in text.lines() {
        let Some(name) = Sample::name_of(line) else {
            continue;
        };
        if !figures.iter().any(|figure| figure.is_named(name)) {
            continue;
        }
        let Some(sample) = Sample::parse(line) else {
            continue;
        };
        let takers = figures
            .iter()
            .enumerate()
            .filter(|(_, figure)| figure.takes(&sample));
        for (place, figure) in takers {
            let kept = |label: &&'static str| Some((*label, sample.label(label)?.to_owned()));
            let labels = figure.by.iter().filter_map(kept).collect();
            let value = told.entry((place, labels)).or_insert(match figure.fold {
                Fold::Sum => 0.0,
                Fold::Max => f64::NEG_INFINITY,
            });
            *value = match figure.fold {
                Fold::Sum => *value + sample.value,
                Fold::Max => value.max(sample.value),
            };
        }
    }
    let value = |((place, labels), value): (Series, f64)| Value {
        name: figures[place].metric.to_owned(),
        labels: labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        value,
    };
    // JSON has no other numbers.
    told.into_iter()
        .filter(|(_, value)| value.is_finite())
        .map(value)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP requests_total Answered requests.
# TYPE requests_total counter
requests_total{method=\"GET\",route=\"/items\"} 3
requests_total{method=\"POST\",route=\"/items\"} 4
requests_total{method=\"POST\",route=\"/livez\"} 5

lag_seconds{partition=\"0\",group=\"a\"} 1.5
lag_seconds{partition=\"1\",group=\"a\"} 0.5
lag_seconds{partition=\"0\",group=\"b\"} 7
lag_seconds_more 9
up NaN
";

    fn values(figures: &[Figure]) -> Vec<(String, Vec<String>, f64)> {
        let told = read(figures, TEXT).into_iter();
        told.map(|value| (value.name, value.labels.into_values().collect(), value.value))
            .collect()
    }

    #[test]
    fn series_are_added_unless_they_are_left_out() {
        let posts = Figure::sum("requests_total").only("method", &["POST"]);
        let name = || "requests_total".to_owned();
        assert_eq!(values(&[posts]), [(name(), vec![], 9.0)]);
        let quiet = posts.except("route", &["/livez"]);
        assert_eq!(values(&[quiet]), [(name(), vec![], 4.0)]);
    }

    #[test]
    fn the_largest_is_told_of_each_group_that_is_kept_apart() {
        let lag = Figure::max("lag_seconds").by(&["group"]);
        let of = |group: &str, value| ("lag_seconds".to_owned(), vec![group.to_owned()], value);
        assert_eq!(values(&[lag]), [of("a", 1.5), of("b", 7.0)]);
    }

    #[test]
    fn a_histogram_is_told_by_its_buckets() {
        let text = "took_bucket{method=\"A\",le=\"0.1\"} 1\ntook_bucket{method=\"B\",le=\"0.1\"} 2\ntook_sum 9\ntook_count 3\n";
        let told = read(&[Figure::histogram("took")], text);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].name.as_str(), told[0].value), ("took", 3.0));
        assert_eq!(told[0].labels["le"], "0.1");
    }

    #[test]
    fn what_is_absent_or_no_number_is_not_told() {
        assert_eq!(values(&[Figure::sum("nothing"), Figure::max("up")]), []);
    }
}
