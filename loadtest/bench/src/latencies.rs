use std::time::Duration;

/// Times of single requests, each kept: percentiles are those of what was measured, not of buckets.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    /// Microseconds.
    times: Vec<u32>,
}

impl Latencies {
    pub fn push(&mut self, time: Duration) {
        self.times
            .push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn extend(&mut self, other: Self) {
        self.times.extend(other.times);
    }

    pub fn count(&self) -> usize {
        self.times.len()
    }

    /// In milliseconds, of the nearest rank at or above: never between two that were measured.
    pub fn percentiles<const N: usize>(&mut self, per_cent: [f64; N]) -> [f64; N] {
        self.times.sort_unstable();
        per_cent.map(|per_cent| {
            let rank = (per_cent / 100.0 * self.times.len() as f64).ceil() as usize;
            let time = self.times.get(rank.max(1) - 1).or(self.times.last());
            f64::from(time.copied().unwrap_or_default()) / 1000.0
        })
    }

    /// Points of (percentile, milliseconds) for a plot.
    pub fn curve(&mut self) -> Vec<(f64, f64)> {
        const AT: [f64; 12] = [
            1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 100.0,
        ];
        if self.times.is_empty() {
            return Vec::new();
        }
        AT.into_iter().zip(self.percentiles(AT)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut latencies = Latencies::default();
        for milliseconds in (1..=100).rev() {
            latencies.push(Duration::from_millis(milliseconds));
        }
        assert_eq!(latencies.percentiles([50.0, 99.0, 100.0]), [50.0, 99.0, 100.0]);
        assert_eq!(latencies.percentiles([0.0, 99.5]), [1.0, 100.0]);
        assert_eq!(Latencies::default().percentiles([99.0]), [0.0]);
    }
}
