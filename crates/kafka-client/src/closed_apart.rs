//! A Kafka client that is closed where nobody waits for it.

use std::ops::Deref;

use crate::closing::close_apart;

/// Holds a client whose end blocks: it joins its threads, and waits for what they wait for. Dropped, it is closed on a
/// thread of its own, never on one of the runtime, whose other tasks would stand still with it.
#[derive(Debug)]
pub struct ClosedApart<T: Send + 'static> {
    /// Taken when this is dropped.
    client: Option<T>,
}

impl<T: Send + 'static> ClosedApart<T> {
    /// Takes a client in.
    pub fn new(client: T) -> Self {
        Self { client: Some(client) }
    }
}

impl<T: Send + 'static> Deref for ClosedApart<T> {
    type Target = T;

    #[expect(
        clippy::expect_used,
        reason = "only drop takes it, and nothing is called after that"
    )]
    fn deref(&self) -> &T {
        self.client.as_ref().expect("taken by drop alone")
    }
}

impl<T: Send + 'static> Drop for ClosedApart<T> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // Nobody waits for it.
            drop(close_apart(client));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    struct Client(mpsc::Sender<thread::ThreadId>);

    impl Drop for Client {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    #[test]
    fn a_client_is_closed_on_another_thread_than_the_one_that_drops_it() {
        let (closed, by) = mpsc::channel();
        drop(ClosedApart::new(Client(closed)));
        assert_ne!(by.recv().unwrap(), thread::current().id());
    }
}
