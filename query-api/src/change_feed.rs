//! Notifications of changes, handed to those who wait for one. They are hints: a notification may be lost, so whoever
//! waits here also polls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use depot_domain::Declaration;
use tokio::sync::watch;
use uuid::Uuid;

/// What can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    Item(Uuid),
    Upload(Uuid),
    /// Nobody tells of them yet: those who wait for one ask by themselves.
    Declared(&'static Declaration, Uuid),
}

/// The waiting, by what they wait for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ChangeFeed {
    waiting: Arc<Mutex<HashMap<Subject, watch::Sender<()>>>>,
    /// Raised by every change of an item.
    any_item: Arc<watch::Sender<u64>>,
}

impl ChangeFeed {
    /// Begins to notice changes of `subject`: one that is announced from now on ends the next
    /// [`changed`](Registration::changed).
    pub fn register(&self, subject: Subject) -> Registration {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let announce = waiting.entry(subject).or_insert_with(|| watch::Sender::new(()));
        Registration {
            subject,
            changes: announce.subscribe(),
            feed: self.clone(),
        }
    }

    /// Wakes those who wait for `subject`.
    pub fn announce(&self, subject: Subject) {
        if let Some(announce) = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&subject)
        {
            announce.send_replace(());
        }
        if matches!(subject, Subject::Item(_)) {
            self.any_item.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Wakes everybody: something may have been missed.
    pub fn announce_all(&self) {
        for announce in self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            announce.send_replace(());
        }
        self.any_item.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever an item does.
    pub fn any_item(&self) -> watch::Receiver<u64> {
        self.any_item.subscribe()
    }

    /// How many subjects are waited for.
    pub fn waited_for(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// One that waits; gone with the value, also when its client went away.
#[derive(Debug)]
pub struct Registration {
    subject: Subject,
    changes: watch::Receiver<()>,
    feed: ChangeFeed,
}

impl Registration {
    /// Ends at the first change announced since the registration, or since this ended last.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The sender lives as long as a registration does; if ever not, the polls go on.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut waiting = self.feed.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // This registration's own receiver is still counted.
        if waiting
            .get(&self.subject)
            .is_some_and(|announce| announce.receiver_count() <= 1)
        {
            waiting.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_between_registering_and_waiting_is_not_missed() {
        let feed = ChangeFeed::default();
        let subject = Subject::Item(Uuid::nil());
        let mut registration = feed.register(subject);
        feed.announce(Subject::Upload(Uuid::nil()));
        feed.announce(subject);
        registration.changed().await;
    }

    #[tokio::test]
    async fn the_last_to_go_leaves_nothing_behind() {
        let feed = ChangeFeed::default();
        let first = feed.register(Subject::Item(Uuid::nil()));
        let second = feed.register(Subject::Item(Uuid::nil()));
        drop(first);
        assert_eq!(feed.waited_for(), 1);
        drop(second);
        assert_eq!(feed.waited_for(), 0);
    }
}
