use std::sync::atomic::Ordering::Relaxed;

use depot_race::{
    check,
    sync::{Arc, Mutex, atomic::AtomicBool},
    thread,
};

#[path = "../../../../crates/consumer/src/commit_marks.rs"]
mod marks;
#[allow(dead_code, reason = "the model needs a part of it")]
#[path = "../../../../crates/consumer/src/ordered_commit.rs"]
mod ordered;

use marks::CommitMarks;
use ordered::OrderedCommit;

/// With a gap, as compaction and transactions leave them.
const OFFSETS: [i64; 2] = [3, 7];

/// A partition whose records are worked on side by side.
struct Partition {
    window: Mutex<OrderedCommit>,
    marks: CommitMarks,
    /// Whether the effect of a record is there. Relaxed: that it is seen is the marks' doing.
    done: [AtomicBool; 2],
}

impl Partition {
    fn started() -> Arc<Self> {
        let (window, marks) = (Mutex::new(OrderedCommit::new()), CommitMarks::new());
        for offset in OFFSETS {
            assert!(window.lock().unwrap().begin(offset, None));
        }
        marks.start_at(OFFSETS[0]);
        Arc::new(Self {
            window,
            marks,
            done: [AtomicBool::new(false), AtomicBool::new(false)],
        })
    }

    /// A record's work ends.
    fn finish(&self, index: usize) {
        self.done[index].store(true, Relaxed);
        let mut window = self.window.lock().unwrap();
        if let Some(watermark) = window.complete(OFFSETS[index]) {
            self.marks.advance_to(watermark);
        }
    }

    /// What the poll thread commits must be done.
    fn assert_done_before(&self, offset: i64) {
        for (index, record) in OFFSETS.iter().enumerate() {
            assert!(
                *record >= offset || self.done[index].load(Relaxed),
                "{offset} was committed, and {record} is in flight"
            );
        }
    }
}

#[test]
fn what_is_committed_while_records_finish_in_any_order_is_done() {
    check(|| {
        let partition = Partition::started();
        let workers: Vec<_> = (0..OFFSETS.len())
            .map(|index| {
                let partition = Arc::clone(&partition);
                thread::spawn(move || partition.finish(index))
            })
            .collect();
        // The poll thread, while they work: one commit that Kafka confirms, and one that fails.
        for confirmed in [true, false] {
            if let Some(offset) = partition.marks.unsent() {
                partition.assert_done_before(offset);
                partition.marks.note_sent(offset);
                if confirmed {
                    partition.marks.note_confirmed(offset);
                } else {
                    partition.marks.note_failed();
                }
            }
        }
        for worker in workers {
            worker.join().unwrap();
        }
        // The last commit takes along whatever was not confirmed.
        let last = partition.marks.unconfirmed();
        if let Some(offset) = last {
            partition.marks.note_confirmed(offset);
        }
        assert_eq!(
            partition.marks.next(),
            Some(OFFSETS[1] + 1),
            "the end of all that was done"
        );
        assert_eq!(partition.marks.unconfirmed(), None);
    });
}

#[test]
fn a_partition_that_is_being_started_has_nothing_to_commit() {
    check(|| {
        let marks = Arc::new(CommitMarks::new());
        let task = {
            let marks = Arc::clone(&marks);
            thread::spawn(move || marks.start_at(5))
        };
        assert_eq!(marks.unsent(), None, "it is what was loaded");
        assert_eq!(marks.unconfirmed(), None);
        task.join().unwrap();
    });
}
