use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long a client that is closed in order is waited for. What it has to say takes a few round trips; a broker that did not
/// answer until then finds out by itself, when the session runs out.
pub const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Closes a client on a thread of its own, and waits for that as long as `limit`. False if it is still being closed then; it
/// goes on for as long as it takes, or the process does.
///
/// Blocks: not for a thread of the runtime.
#[must_use]
pub fn close_within<T: Send + 'static>(client: T, limit: Duration) -> bool {
    close_apart(client).recv_timeout(limit) != Err(RecvTimeoutError::Timeout)
}

/// Closes a client on a thread of its own. Nothing is ever sent by what is returned: its other end goes when the client is gone.
pub(crate) fn close_apart<T: Send + 'static>(client: T) -> Receiver<()> {
    let (closing, closed) = mpsc::channel();
    let close = thread::Builder::new()
        .name("kafka-close".to_owned())
        .spawn(move || {
            drop(client);
            drop(closing);
        });
    if let Err(error) = close {
        // What was not started has dropped it here.
        tracing::warn!(%error, "a Kafka client was closed on the thread that needed it no more");
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Closed when it is told to.
    struct Client(mpsc::Receiver<()>, mpsc::Sender<thread::ThreadId>);

    impl Drop for Client {
        fn drop(&mut self) {
            self.0.recv().unwrap();
            self.1.send(thread::current().id()).unwrap();
        }
    }

    #[test]
    fn one_that_does_not_end_is_waited_for_no_longer_than_the_limit_and_then_goes_on() {
        let ((end, told), (ended, by)) = (mpsc::channel(), mpsc::channel());
        assert!(!close_within(Client(told, ended), Duration::from_millis(20)));
        end.send(()).unwrap();
        assert_ne!(by.recv().unwrap(), thread::current().id());
    }

    #[test]
    fn one_that_ends_is_waited_for() {
        let ((end, told), (ended, by)) = (mpsc::channel(), mpsc::channel());
        end.send(()).unwrap();
        assert!(close_within(Client(told, ended), Duration::MAX));
        assert!(by.try_recv().is_ok());
    }
}
