//! What is read when. A shard that was rung for is read at once; all of them are read now and then, since what other
//! processes append rings no bell here.

use std::time::Duration;

use tokio::time::Instant;

use super::RelayOptions;
use crate::doorbell::ShardSet;

/// All shards are read for a tenth of the time at most, however slow the database is and however many transactions run.
const REST: u32 = 9;

pub(super) struct Polling {
    /// Rung for, and not read since.
    pub rung: ShardSet,
    all_due: Instant,
    pace: Duration,
}

impl Polling {
    pub fn new(options: &RelayOptions) -> Self {
        Self {
            rung: ShardSet::default(),
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

    /// All were read. Where something was found that nobody had rung for, somebody else is writing: the pauses are short
    /// then, and grow to the longest while there is nothing of the kind.
    pub fn all_were_read(&mut self, took: Duration, found_unrung: bool, options: &RelayOptions) {
        self.pace = match found_unrung {
            true => options.poll_busy,
            false => (self.pace * 2).min(options.poll_idle),
        };
        let longest = options.poll_idle.max(self.pace);
        self.all_due = Instant::now() + (took * REST).clamp(self.pace, longest);
    }

    /// How long to wait, if nobody rings.
    pub fn pause(&self, options: &RelayOptions) -> Duration {
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

    fn polling() -> (Polling, RelayOptions) {
        let options = RelayOptions::default();
        (Polling::new(&options), options)
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_while_only_what_is_rung_for_is_found() {
        let (mut polling, options) = polling();
        assert!(polling.is_of_all(), "what was there before is read at once");
        let mut pauses = Vec::new();
        for found_unrung in [true, false, false, false, false, false, false, true] {
            polling.all_were_read(Duration::ZERO, found_unrung, &options);
            assert!(!polling.is_of_all());
            pauses.push(polling.pause(&options).as_millis());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 250, 250, 10]);
        polling.all_at_once();
        assert!(polling.is_of_all());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_done_seldom_and_yet_in_time_for_a_lease() {
        let (mut polling, options) = polling();
        let mut pause_after = |took| {
            polling.all_were_read(Duration::from_millis(took), true, &options);
            polling.pause(&options).as_millis()
        };
        assert_eq!(
            [pause_after(1), pause_after(5), pause_after(2_000)],
            [10, 45, 250]
        );
    }
}
