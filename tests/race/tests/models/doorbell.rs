use depot_race::{block_on, check, sync::Arc, sync::atomic::AtomicUsize, thread};

#[allow(dead_code, reason = "the relay asks more of a set of shards than the models")]
#[path = "../../../../crates/outbox/src/doorbell.rs"]
mod source;

use source::{Doorbell, ShardSet};
use std::sync::atomic::Ordering::Relaxed;

fn shard(number: i16) -> ShardSet {
    let mut shards = ShardSet::default();
    shards.insert(number);
    shards
}

/// What writers do after their commits, each in a shard of its own, and what the relay does with what it finds. The relay
/// has no poll here and reads only what it is rung for, so one ring that is lost, or one shard of it, leaves it waiting for
/// ever, which loom reports.
fn relay_finds_all_rows_of(writers: i16) {
    let bell = Doorbell::default();
    let rows: Arc<Vec<AtomicUsize>> = Arc::new((0..writers).map(|_| AtomicUsize::new(0)).collect());
    let threads: Vec<_> = (0..writers)
        .map(|number| {
            let (bell, rows) = (bell.clone(), Arc::clone(&rows));
            thread::spawn(move || {
                // That the row is seen is the bell's doing.
                rows[number as usize].fetch_add(1, Relaxed);
                bell.ring(shard(number));
            })
        })
        .collect();
    let mut found = 0;
    while found < threads.len() {
        let rung = block_on(bell.rung());
        let read = (0..writers).filter(|number| rung.contains(*number));
        found += read
            .map(|number| rows[number as usize].swap(0, Relaxed))
            .sum::<usize>();
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_ring_is_never_lost_whenever_it_comes() {
    check(|| relay_finds_all_rows_of(1));
}

#[test]
fn rings_of_two_writers_may_be_one_and_wake_for_both() {
    check(|| relay_finds_all_rows_of(2));
}

#[test]
fn a_wait_that_is_given_up_takes_no_ring_with_it() {
    check(|| {
        let bell = Doorbell::default();
        let writer = {
            let bell = bell.clone();
            thread::spawn(move || bell.ring(shard(0)))
        };
        // Something else was ready first.
        let mut given_up = Box::pin(bell.rung());
        let heard = block_on(std::future::poll_fn(|context| {
            std::task::Poll::Ready(given_up.as_mut().poll(context).is_ready())
        }));
        drop(given_up);
        if !heard {
            assert!(block_on(bell.rung()).contains(0));
        }
        writer.join().unwrap();
    });
}
