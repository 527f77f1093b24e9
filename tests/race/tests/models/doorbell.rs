use depot_race::{block_on, check, sync::Arc, sync::atomic::AtomicUsize, thread};

#[path = "../../../../crates/outbox/src/doorbell.rs"]
mod source;

use source::Doorbell;
use std::sync::atomic::Ordering::Relaxed;

/// What a writer does after its commit, and what the relay does with what it finds. The relay has no poll here, so one ring
/// that is lost leaves it waiting for ever, which loom reports.
fn relay_finds_all_rows_of(writers: usize) {
    let (bell, rows) = (Doorbell::default(), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..writers)
        .map(|_| {
            let (bell, rows) = (bell.clone(), Arc::clone(&rows));
            thread::spawn(move || {
                // That the row is seen is the bell's doing.
                rows.fetch_add(1, Relaxed);
                bell.ring();
            })
        })
        .collect();
    let all = writers.len();
    while rows.load(Relaxed) < all {
        block_on(bell.rung());
    }
    for writer in writers {
        writer.join().unwrap();
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
            thread::spawn(move || bell.ring())
        };
        // Something else was ready first.
        let mut given_up = Box::pin(bell.rung());
        let heard = block_on(std::future::poll_fn(|context| {
            std::task::Poll::Ready(given_up.as_mut().poll(context).is_ready())
        }));
        drop(given_up);
        if !heard {
            block_on(bell.rung());
        }
        writer.join().unwrap();
    });
}
