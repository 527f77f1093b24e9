//! The watermark of one partition: which offset may be committed while records finish out of order.

use std::collections::VecDeque;

/// Records begun and not yet passed, oldest first.
///
/// The watermark is the offset to commit: one past the last record before which everything begun is done. It never
/// passes a record in flight, and only offsets that were begun count, so the gaps that compaction and transactions
/// leave in a log are no obstacle.
#[derive(Debug, Default)]
pub struct OrderedCommit {
    window: VecDeque<Slot>,
    last_begun: Option<i64>,
    watermark: Option<i64>,
    in_flight: usize,
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    timestamp_ms: Option<i64>,
    done: bool,
}

impl OrderedCommit {
    /// An empty window: nothing begun, nothing to commit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a record into the window. Returns false, and changes nothing, when `offset` is not above every offset
    /// begun before: such a record is a repeat and its outcome is already accounted for.
    #[must_use]
    pub fn begin(&mut self, offset: i64, timestamp_ms: Option<i64>) -> bool {
        if self.last_begun.is_some_and(|last| offset <= last) {
            return false;
        }
        self.last_begun = Some(offset);
        self.in_flight += 1;
        self.window.push_back(Slot {
            offset,
            timestamp_ms,
            done: false,
        });
        true
    }

    /// Marks a record as done. Returns the new watermark if that moved it. Offsets that are not in the window, or were
    /// done before, change nothing.
    pub fn complete(&mut self, offset: i64) -> Option<i64> {
        let index = self
            .window
            .binary_search_by_key(&offset, |slot| slot.offset)
            .ok()?;
        let slot = self.window.get_mut(index)?;
        if std::mem::replace(&mut slot.done, true) {
            return None;
        }
        self.in_flight -= 1;
        let before = self.watermark;
        while self.window.front().is_some_and(|slot| slot.done) {
            self.watermark = self.window.pop_front().map(|slot| slot.offset + 1);
        }
        (self.watermark != before).then_some(self.watermark).flatten()
    }

    /// The offset to commit, or `None` while no record has been passed.
    #[must_use]
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Records begun and not done.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Records begun and not passed by the watermark, done or not: what a crash now would repeat.
    #[must_use]
    pub fn width(&self) -> usize {
        self.window.len()
    }

    /// The timestamp, in Unix milliseconds, of the oldest record that isn't done.
    #[must_use]
    pub fn oldest_timestamp_ms(&self) -> Option<i64> {
        self.window.front().and_then(|slot| slot.timestamp_ms)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::OrderedCommit;
    use proptest::prelude::*;

    /// Ascending offsets with gaps, and the order in which they finish.
    fn offsets_and_order() -> impl Strategy<Value = (Vec<i64>, Vec<usize>)> {
        proptest::collection::vec(1_i64..50, 1..60).prop_flat_map(|gaps| {
            let offsets: Vec<i64> = gaps
                .iter()
                .scan(-1_i64, |at, gap| {
                    *at += gap;
                    Some(*at)
                })
                .collect();
            let indices: Vec<usize> = (0..offsets.len()).collect();
            (Just(offsets), Just(indices).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn the_watermark_never_passes_a_record_in_flight((offsets, order) in offsets_and_order()) {
            let mut commit = OrderedCommit::new();
            for offset in &offsets {
                prop_assert!(commit.begin(*offset, None));
            }
            let mut open: std::collections::BTreeSet<i64> = offsets.iter().copied().collect();
            let mut last = None;
            for index in order {
                open.remove(&offsets[index]);
                commit.complete(offsets[index]);
                if let (Some(watermark), Some(oldest)) = (commit.watermark(), open.first()) {
                    prop_assert!(watermark <= *oldest);
                }
                prop_assert!(commit.watermark() >= last, "the watermark went back");
                last = commit.watermark();
                prop_assert_eq!(commit.in_flight(), open.len());
            }
        }

        #[test]
        fn when_all_is_done_the_watermark_is_one_past_the_last_record((offsets, order) in offsets_and_order()) {
            let mut commit = OrderedCommit::new();
            for offset in &offsets {
                prop_assert!(commit.begin(*offset, None));
            }
            for index in order {
                commit.complete(offsets[index]);
            }
            prop_assert_eq!(commit.watermark(), offsets.last().map(|last| last + 1));
            prop_assert_eq!(commit.width(), 0);
        }

        #[test]
        fn the_watermark_is_as_high_as_it_may_be(
            (offsets, order) in offsets_and_order(),
            finished in 0_usize..60,
        ) {
            let mut commit = OrderedCommit::new();
            for offset in &offsets {
                prop_assert!(commit.begin(*offset, None));
            }
            let done: std::collections::BTreeSet<i64> =
                order.iter().take(finished).map(|index| offsets[*index]).collect();
            for offset in &done {
                commit.complete(*offset);
            }
            let expected = offsets.iter().take_while(|offset| done.contains(offset)).last().map(|last| last + 1);
            prop_assert_eq!(commit.watermark(), expected);
        }
    }

    #[test]
    fn a_repeated_offset_is_not_begun_again() {
        let mut commit = OrderedCommit::new();
        assert!(commit.begin(7, None));
        assert!(!commit.begin(7, None));
        assert!(!commit.begin(3, None));
        assert_eq!(commit.complete(7), Some(8));
        assert!(!commit.begin(7, None));
    }

    #[test]
    fn a_second_completion_and_an_unknown_offset_change_nothing() {
        let mut commit = OrderedCommit::new();
        assert!(commit.begin(1, Some(10)));
        assert!(commit.begin(5, Some(50)));
        assert_eq!(commit.complete(5), None);
        assert_eq!(commit.complete(5), None);
        assert_eq!(commit.complete(3), None);
        assert_eq!(commit.oldest_timestamp_ms(), Some(10));
        assert_eq!(commit.complete(1), Some(6));
        assert_eq!(commit.in_flight(), 0);
    }
}
