use std::{pin::pin, sync::atomic::Ordering::Relaxed, task::Poll};

use depot_race::{
    block_on, check,
    sync::{Arc, atomic::AtomicUsize},
    thread,
};

#[path = "../../../../query-api/src/read/single_flight.rs"]
mod source;

use source::SingleFlight;

/// What is looked at, and how many look.
#[derive(Default)]
struct Row {
    flights: SingleFlight<u8, usize>,
    looking: AtomicUsize,
    value: AtomicUsize,
}

impl Row {
    /// A look that takes as long as the others do something in between.
    async fn look(&self) -> usize {
        assert_eq!(self.looking.fetch_add(1, Relaxed), 0, "two look at once");
        let value = self.value.fetch_add(1, Relaxed) + 1;
        self.looking.fetch_sub(1, Relaxed);
        value
    }

    fn read(&self) -> usize {
        block_on(self.flights.join(1, self.look()))
    }
}

#[test]
fn whoever_comes_has_an_answer_of_one_look_at_a_time() {
    check(|| {
        let row = Arc::new(Row::default());
        let others: Vec<_> = (0..2)
            .map(|_| {
                let row = Arc::clone(&row);
                thread::spawn(move || row.read())
            })
            .collect();
        assert!(row.read() >= 1);
        for other in others {
            assert!(other.join().unwrap() >= 1);
        }
        assert_eq!(row.flights.under_way(), 0, "a flight is left behind");
    });
}

#[test]
fn where_the_one_that_looks_goes_away_somebody_else_looks() {
    check(|| {
        let row = Arc::new(Row::default());
        let other = {
            let row = Arc::clone(&row);
            thread::spawn(move || row.read())
        };
        {
            // A client that goes away in the middle: its look never ends.
            let mut gone = pin!(row.flights.join(1, std::future::pending()));
            block_on(std::future::poll_fn(|context| {
                let _answer = gone.as_mut().poll(context);
                Poll::Ready(())
            }));
        }
        assert!(other.join().unwrap() >= 1);
        assert_eq!(row.flights.under_way(), 0, "a flight is left behind");
    });
}
