//! What is read when. A shard that was rung for is read at once; all of them are read now and then, since what other
//! processes append rings no bell here.

use std::time::Duration;

use tokio::time::Instant;

use super::RelayOptions;
use crate::doorbell::ShardSet;

/// After reading what was rung for, that is not done again for as long as it took, if it found so many rows, and for a part of
/// that if it found fewer: meanwhile more is appended, and a reading, a batch of Kafka and whatever follows from it cost about
/// the same with one row and with twenty. Where little goes on nobody waits.
const WORTH_A_REST: usize = 8;

/// All shards are read for a tenth of the time at most, however slow the database is and however many transactions run.
const REST: u32 = 9;

pub(super) struct Polling {
    /// Rung for, and not read since.
    pub rung: ShardSet,
    rung_due: Instant,
    all_due: Instant,
    pace: Duration,
}

impl Polling {
    pub fn new(options: &RelayOptions) -> Self {
        Self {
            rung: ShardSet::default(),
            rung_due: Instant::now(),
            all_due: Instant::now(),
            pace: options.poll_busy,
        }
    }

    /// The next reading is of all shards.
    pub fn all_at_once(&mut self) {
        self.all_due = Instant::now();
    }

    pub fn is_of_all(&self) -> bool {
        self.all_due <= Instant::now()
    }

    /// How long what was rung for is still not read.
    pub fn rest(&self) -> Duration {
        self.rung_due.saturating_duration_since(Instant::now())
    }

    /// Some were read, and had so many rows.
    pub fn were_read(&mut self, took: Duration, rows: usize, options: &RelayOptions) {
        let part = rows.min(WORTH_A_REST) as f64 / WORTH_A_REST as f64;
        self.rung_due = Instant::now() + took.min(options.poll_busy).mul_f64(part);
    }

    /// All were read. Where something was found that nobody had rung for, somebody else is writing: the pauses are short
    /// then, and grow to the longest while there is nothing of the kind.
    pub fn all_were_read(&mut self, took: Duration, found_unrung: bool, options: &RelayOptions) {
        self.all_due = Instant::now() + self.rest_after(took, found_unrung, options);
    }

    fn rest_after(&mut self, took: Duration, found_unrung: bool, options: &RelayOptions) -> Duration {
        self.pace = match found_unrung {
            true => options.poll_busy,
            false => (self.pace * 2).min(options.poll_idle),
        };
        (took * REST).clamp(self.pace, options.poll_idle.max(self.pace))
    }

    /// How long to wait, if nobody rings.
    pub fn pause(&self, options: &RelayOptions) -> Duration {
        let pause = self.pause_of_all(options);
        // What was rung for during the rest is known already.
        match self.rest() {
            rest if rest > Duration::ZERO && !self.rung.is_empty() => pause.min(rest),
            _ => pause,
        }
    }

    fn pause_of_all(&self, options: &RelayOptions) -> Duration {
        match self.all_due.saturating_duration_since(Instant::now()) {
            // It could not be done yet: too much is in flight.
            Duration::ZERO => options.poll_busy,
            left => left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_only_what_is_rung_for_is_found() {
        let options = RelayOptions::default();
        let mut polling = Polling::new(&options);
        let pauses = [true, false, false, false, false, false, false, true].map(|found_unrung| {
            let rest = polling.rest_after(Duration::ZERO, found_unrung, &options);
            rest.as_millis()
        });
        assert_eq!(pauses, [10, 20, 40, 80, 160, 250, 250, 10]);
    }

    #[test]
    fn what_takes_long_is_done_seldom_and_yet_in_time_for_a_lease() {
        let options = RelayOptions::default();
        let mut polling = Polling::new(&options);
        let mut rest_after = |took| {
            let rest = polling.rest_after(Duration::from_millis(took), true, &options);
            rest.as_millis()
        };
        assert_eq!([rest_after(1), rest_after(5), rest_after(2_000)], [10, 45, 250]);
    }

    #[test]
    fn after_a_reading_what_is_rung_for_waits_in_proportion_and_not_for_long() {
        let options = RelayOptions::default();
        let mut polling = Polling::new(&options);
        assert_eq!(polling.rest(), Duration::ZERO, "the first is read at once");
        polling.all_were_read(Duration::ZERO, false, &options);
        polling.rung.insert(3);
        let mut rest_after = |took, rows| {
            polling.were_read(took, rows, &options);
            let rest = polling.rest();
            assert!(rest.is_zero() || polling.pause(&options) <= rest);
            rest
        };
        let hour = Duration::from_secs(3_600);
        let longest = rest_after(hour, 500);
        assert!(
            longest > Duration::ZERO && longest <= options.poll_busy,
            "{longest:?}"
        );
        assert!(rest_after(hour, WORTH_A_REST / 4) <= options.poll_busy / 4);
        assert_eq!(rest_after(hour, 0), Duration::ZERO);
        assert_eq!(rest_after(Duration::ZERO, 500), Duration::ZERO);
    }

    #[test]
    fn what_was_there_before_is_read_at_once_and_again_when_it_is_asked_for() {
        let options = RelayOptions {
            poll_busy: Duration::from_secs(3_600),
            ..RelayOptions::default()
        };
        let mut polling = Polling::new(&options);
        assert!(polling.is_of_all());
        polling.all_were_read(Duration::ZERO, true, &options);
        assert!(!polling.is_of_all() && polling.pause(&options) > Duration::from_secs(3_000));
        polling.all_at_once();
        assert!(polling.is_of_all());
    }
}
