//! Looks at one thing that are wanted together are one look.

use std::{
    collections::HashMap,
    future::poll_fn,
    hash::Hash,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};

#[cfg(loom)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex, MutexGuard};

/// The looks under way, by what is looked at.
#[derive(Debug)]
pub struct SingleFlight<K, V> {
    flights: Mutex<HashMap<K, Arc<Mutex<Flight<V>>>>>,
}

/// One look, and who waits for it.
#[derive(Debug)]
struct Flight<V> {
    is_led: bool,
    landed: Option<V>,
    /// Those that share it, the one that leads included.
    seats: usize,
    next_seat: usize,
    waiting: Vec<(usize, Waker)>,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self {
            flights: Mutex::new(HashMap::new()),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> SingleFlight<K, V> {
    /// Looks, or waits for a look at the same that is under way. Where the one that looks is dropped, another of those
    /// that wait looks instead.
    pub async fn join(&self, key: K, look: impl Future<Output = V>) -> V {
        let mut seat = self.take_seat(key);
        match poll_fn(|context| seat.poll_turn(context)).await {
            Turn::Landed(value) => value,
            Turn::Lead => {
                let value = look.await;
                seat.land(value.clone());
                value
            }
        }
    }

    fn take_seat(&self, key: K) -> Seat<'_, K, V> {
        let mut flights = lock(&self.flights);
        let flight = flights.entry(key.clone()).or_insert_with(|| {
            Arc::new(Mutex::new(Flight {
                is_led: false,
                landed: None,
                seats: 0,
                next_seat: 0,
                waiting: Vec::new(),
            }))
        });
        let flight = Arc::clone(flight);
        let number = {
            let mut flight = lock(&flight);
            flight.seats += 1;
            flight.next_seat += 1;
            flight.next_seat
        };
        Seat {
            flights: self,
            key,
            flight,
            number,
            leads: false,
        }
    }

    /// Takes a flight off, so that whoever comes later begins a new one.
    fn take_off(&self, flights: &mut HashMap<K, Arc<Mutex<Flight<V>>>>, seat: &Seat<'_, K, V>) {
        if flights
            .get(&seat.key)
            .is_some_and(|flight| Arc::ptr_eq(flight, &seat.flight))
        {
            flights.remove(&seat.key);
        }
    }

    /// How many looks are under way.
    #[cfg(any(test, loom))]
    pub fn under_way(&self) -> usize {
        lock(&self.flights).len()
    }
}

enum Turn<V> {
    /// Nobody looks: look, and then land.
    Lead,
    Landed(V),
}

/// A part in a flight.
struct Seat<'a, K: Hash + Eq + Clone, V: Clone> {
    flights: &'a SingleFlight<K, V>,
    key: K,
    flight: Arc<Mutex<Flight<V>>>,
    number: usize,
    leads: bool,
}

impl<K: Hash + Eq + Clone, V: Clone> Seat<'_, K, V> {
    fn poll_turn(&mut self, context: &Context<'_>) -> Poll<Turn<V>> {
        let mut flight = lock(&self.flight);
        if let Some(value) = &flight.landed {
            return Poll::Ready(Turn::Landed(value.clone()));
        }
        if !flight.is_led {
            flight.is_led = true;
            self.leads = true;
            return Poll::Ready(Turn::Lead);
        }
        flight.waiting.retain(|(seat, _)| *seat != self.number);
        flight.waiting.push((self.number, context.waker().clone()));
        Poll::Pending
    }

    fn land(mut self, value: V) {
        // First: what is landed is not new to whoever comes after it.
        self.flights.take_off(&mut lock(&self.flights.flights), &self);
        let waiting = {
            let mut flight = lock(&self.flight);
            flight.landed = Some(value);
            std::mem::take(&mut flight.waiting)
        };
        self.leads = false;
        wake(waiting);
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let waiting = {
            let mut flights = lock(&self.flights.flights);
            let mut flight = lock(&self.flight);
            flight.seats -= 1;
            flight.waiting.retain(|(seat, _)| *seat != self.number);
            if flight.seats == 0 {
                self.flights.take_off(&mut flights, self);
            }
            if self.leads {
                flight.is_led = false;
                std::mem::take(&mut flight.waiting)
            } else {
                Vec::new()
            }
        };
        wake(waiting);
    }
}

fn wake(waiting: Vec<(usize, Waker)>) {
    waiting.into_iter().for_each(|(_, waker)| waker.wake());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn those_that_come_together_share_one_look_and_the_next_looks_anew() {
        let (flights, looks) = (SingleFlight::<u8, usize>::default(), AtomicUsize::new(0));
        let look = || async {
            tokio::task::yield_now().await;
            looks.fetch_add(1, Ordering::Relaxed)
        };
        let together = (0..8).map(|_| flights.join(1, look()));
        let (together, other) = futures::join!(futures::future::join_all(together), flights.join(2, look()));
        assert_eq!(together.iter().collect::<std::collections::HashSet<_>>().len(), 1);
        assert_ne!(together[0], other);
        assert_eq!(looks.load(Ordering::Relaxed), 2);
        assert_eq!(flights.join(1, look()).await, 2);
        assert_eq!(flights.under_way(), 0);
    }

    #[tokio::test]
    async fn where_the_one_that_looks_goes_away_another_looks() {
        let flights = SingleFlight::<u8, u8>::default();
        let mut gone = Box::pin(flights.join(1, std::future::pending()));
        assert!(futures::poll!(&mut gone).is_pending());
        let mut waiting = Box::pin(flights.join(1, std::future::ready(7)));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(gone);
        assert_eq!(waiting.await, 7);
        assert_eq!(flights.under_way(), 0);
    }
}
