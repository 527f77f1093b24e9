//! Who is there: names that are entered, taken out, and waited for.

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

/// The names that are entered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    present: BTreeMap<u64, String>,
    next_id: u64,
    waiting: Vec<Waker>,
}

impl Roster {
    /// Enters a name, until what is returned is dropped.
    pub(super) fn enter(&self, name: &str) -> Entry {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.present.insert(id, name.to_owned());
        Entry {
            id,
            roster: self.clone(),
        }
    }

    /// The names that are there, in the order of entering.
    pub(super) fn present(&self) -> Vec<String> {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is entered, and taken out when this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    id: u64,
    roster: Roster,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.leave(self.id);
    }
}
