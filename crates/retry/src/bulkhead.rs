//! A bulkhead: work of one kind has so many places, so that a slow dependency does not take the places of all others.

use std::sync::Arc;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const IN_USE: &str = "depot_bulkhead_in_use";
const PLACES: &str = "depot_bulkhead_places";
const REFUSED: &str = "depot_bulkhead_refused_total";

/// Places for work of one kind. Cheap to clone; clones share the places.
#[derive(Debug, Clone)]
pub struct Bulkhead {
    places: Arc<Semaphore>,
    in_use: Gauge,
    refused: Counter,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    in_use: Gauge,
    #[expect(dead_code, reason = "held, never read")]
    permit: OwnedSemaphorePermit,
}

impl Bulkhead {
    /// That many places. `name` is the metrics' label.
    #[must_use]
    pub fn new(name: &'static str, places: usize) -> Self {
        describe_gauge!(IN_USE, Unit::Count, "Places taken by work that is under way");
        describe_gauge!(PLACES, Unit::Count, "Places that there are");
        describe_counter!(
            REFUSED,
            Unit::Count,
            "Work that was refused at once because no place was free"
        );
        let bulkhead = Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            in_use: gauge!(IN_USE, "bulkhead" => name),
            refused: counter!(REFUSED, "bulkhead" => name),
        };
        bulkhead.in_use.set(0.0);
        gauge!(PLACES, "bulkhead" => name).set(places as f64);
        bulkhead.refused.increment(0);
        bulkhead
    }

    /// A place, if one is free now. Nobody waits: a queue would only make all of them late.
    pub fn enter(&self) -> Option<Place> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => {
                self.in_use.increment(1.0);
                Some(Place {
                    in_use: self.in_use.clone(),
                    permit,
                })
            }
            Err(_) => {
                self.refused.increment(1);
                None
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_use.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_were_made_and_each_comes_back() {
        let bulkhead = Bulkhead::new("test", 2);
        let first = bulkhead.enter();
        let second = bulkhead.clone().enter();
        assert!(first.is_some() && second.is_some());
        assert!(bulkhead.enter().is_none());
        drop(first);
        assert!(bulkhead.enter().is_some());
    }
}
