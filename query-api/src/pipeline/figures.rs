//! Rates and quantiles of what a process told of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use depot_service::heartbeat::Value;

/// What was told at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures(Vec<Value>);

impl Figures {
    pub fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// Each value under a name.
    pub fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |value| value.name == name)
    }

    /// The sum of what is under a name and has these labels; none if there is nothing.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |value: &&Value| {
            let mut wanted = labels.iter();
            wanted.all(|(label, wanted)| value.labels.get(*label).is_some_and(|is| is == wanted))
        };
        self.each(name)
            .filter(has)
            .map(|value| value.value)
            .reduce(|sum, value| sum + value)
    }

    /// The largest under a name.
    pub fn max(&self, name: &str) -> Option<f64> {
        self.each(name).map(|value| value.value).reduce(f64::max)
    }

    /// How many observations of a histogram were at most so large, by bound.
    pub fn buckets(&self, name: &str) -> Buckets {
        let bucket = |value: &Value| {
            let bound: f64 = value.labels.get("le")?.parse().ok()?;
            Some((bound, value.value))
        };
        let mut buckets: Vec<_> = self.each(name).filter_map(bucket).collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Buckets(buckets)
    }
}

/// All together, and 0 of nothing: what the standard library adds up of nothing is written as -0.0.
pub fn total(counts: impl Iterator<Item = f64>) -> f64 {
    counts.fold(0.0, |sum, count| sum + count)
}

/// Of a counter at two moments: how much it grew in a second. A process that began anew counts from 0.
pub fn rate(earlier: Option<f64>, later: Option<f64>, between: Duration) -> Option<f64> {
    let (later, seconds) = (later?, between.as_secs_f64());
    if seconds <= 0.0 {
        return None;
    }
    let earlier = earlier.unwrap_or(0.0);
    let grown = if later >= earlier { later - earlier } else { later };
    Some(grown / seconds)
}

/// A histogram: upper bounds in order, each with how many were at most so large.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// What came in between an earlier moment and this one.
    pub fn since(&self, earlier: &Self) -> Self {
        let before: BTreeMap<u64, f64> = earlier
            .0
            .iter()
            .map(|(bound, count)| (bound.to_bits(), *count))
            .collect();
        let grown = |(bound, count): &(f64, f64)| {
            let before = before.get(&bound.to_bits()).copied().unwrap_or(0.0);
            (*bound, (count - before).max(0.0))
        };
        Self(self.0.iter().map(grown).collect())
    }

    /// Both together: of two processes with the same bounds.
    pub fn and(&self, other: &Self) -> Self {
        if self.0.is_empty() {
            return other.clone();
        }
        let of_other = |bound: f64| {
            let found = other.0.iter().find(|(its, _)| its.to_bits() == bound.to_bits());
            found.map_or(0.0, |(_, count)| *count)
        };
        let sum = |(bound, count): &(f64, f64)| (*bound, count + of_other(*bound));
        Self(self.0.iter().map(sum).collect())
    }

    /// What so large a part of the observations did not exceed; between the bounds it is drawn as a line, as Prometheus does.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let (_, all) = *self.0.last()?;
        if all <= 0.0 {
            return None;
        }
        let rank = part * all;
        let mut below = (0.0, 0.0);
        for &(bound, count) in &self.0 {
            if count >= rank {
                if !bound.is_finite() {
                    return Some(below.0);
                }
                let inside = (count - below.1).max(f64::MIN_POSITIVE);
                return Some(below.0 + (bound - below.0) * ((rank - below.1) / inside));
            }
            below = (bound, count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, label: (&str, &str), value: f64) -> Value {
        Value {
            name: name.to_owned(),
            labels: BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]),
            value,
        }
    }

    fn histogram(counts: [f64; 3]) -> Figures {
        let bounds = ["0.01", "0.1", "+Inf"];
        let bucket = |(bound, count): (&str, f64)| value("b", ("le", bound), count);
        Figures::new(bounds.into_iter().zip(counts).map(bucket).collect())
    }

    #[test]
    fn a_counter_that_began_anew_has_grown_by_what_it_is() {
        let two = Duration::from_secs(2);
        assert_eq!(rate(Some(10.0), Some(30.0), two), Some(10.0));
        assert_eq!(rate(Some(100.0), Some(6.0), two), Some(3.0));
        assert_eq!(rate(None, Some(6.0), two), Some(3.0));
        assert_eq!(rate(Some(1.0), None, two), None);
        assert_eq!(rate(Some(1.0), Some(2.0), Duration::ZERO), None);
    }

    #[test]
    fn quantiles_are_of_what_came_between_two_moments() {
        let earlier = histogram([100.0, 100.0, 100.0]).buckets("b");
        let later = histogram([100.0, 200.0, 200.0]).buckets("b");
        let between = later.since(&earlier);
        // All hundred lie between 10 and 100 ms.
        assert!((between.quantile(0.5).unwrap() - 0.055).abs() < 1e-9);
        assert_eq!(later.since(&later).quantile(0.5), None);
        assert_eq!(Buckets::default().quantile(0.5), None);
    }

    #[test]
    fn what_is_beyond_all_bounds_is_told_as_the_last_one() {
        assert_eq!(histogram([0.0, 0.0, 5.0]).buckets("b").quantile(0.99), Some(0.1));
    }

    #[test]
    fn two_processes_are_one_distribution() {
        let both = histogram([10.0, 10.0, 10.0])
            .buckets("b")
            .and(&histogram([0.0, 30.0, 30.0]).buckets("b"));
        assert!((both.quantile(1.0).unwrap() - 0.1).abs() < 1e-9);
        assert!((both.quantile(0.25).unwrap() - 0.01).abs() < 1e-9);
    }

    #[test]
    fn values_are_added_by_their_labels() {
        let figures = Figures::new(vec![
            value("lag", ("group", "a"), 1.0),
            value("lag", ("group", "b"), 4.0),
        ]);
        assert_eq!(figures.sum("lag", &[]), Some(5.0));
        assert_eq!(figures.sum("lag", &[("group", "b")]), Some(4.0));
        assert_eq!(figures.sum("lag", &[("group", "c")]), None);
        assert_eq!(figures.max("lag"), Some(4.0));
    }

    #[test]
    fn nothing_adds_up_to_a_zero_without_a_sign() {
        assert!(total([].into_iter()).is_sign_positive());
        assert_eq!(total([1.0, 2.0].into_iter()), 3.0);
    }
}
