//! Who is there: those who are entered, taken out, and waited for.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};

#[cfg(loom)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex, MutexGuard};

/// Those who are entered. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Roster<T> {
    state: Arc<Mutex<State<T>>>,
}

#[derive(Debug)]
struct State<T> {
    present: BTreeMap<u64, T>,
    next_id: u64,
    waiting: Vec<Waker>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        let state = State {
            present: BTreeMap::new(),
            next_id: 0,
            waiting: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl<T: Clone> Roster<T> {
    /// Enters somebody, until what is returned is dropped.
    pub(super) fn enter(&self, who: T) -> Entry<T> {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.present.insert(id, who);
        Entry {
            id,
            roster: self.clone(),
        }
    }

    /// Those who are there, in the order of entering.
    pub(super) fn present(&self) -> Vec<T> {
        self.state().present.values().cloned().collect()
    }

    /// Returns when nobody is there: what those did who left is seen after that.
    pub(super) async fn empty(&self) {
        poll_fn(|context| self.poll_empty(context)).await;
    }

    fn poll_empty(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.present.is_empty() {
            return Poll::Ready(());
        }
        // A waiter that is polled again is there already.
        if !state
            .waiting
            .iter()
            .any(|waiting| waiting.will_wake(context.waker()))
        {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Roster<T> {
    fn leave(&self, id: u64) {
        let waiting = {
            let mut state = self.state();
            state.present.remove(&id);
            if state.present.is_empty() {
                std::mem::take(&mut state.waiting)
            } else {
                Vec::new()
            }
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who is entered, and taken out when this is dropped.
#[derive(Debug)]
pub(super) struct Entry<T> {
    id: u64,
    roster: Roster<T>,
}

impl<T> Drop for Entry<T> {
    fn drop(&mut self) {
        self.roster.leave(self.id);
    }
}
