use std::{
    future::poll_fn,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};

#[cfg(loom)]
use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Arc, Mutex, MutexGuard};

/// Wakes the relay of this process after a commit. Rings while it is awake are one ring.
///
/// A bell is a hint: what other processes append, or what is appended without ringing, the relay's poll finds. It is heard
/// by one: of several that wait, the one that came last.
#[derive(Debug, Clone, Default)]
pub struct Doorbell {
    bell: Arc<Mutex<Bell>>,
}

#[derive(Debug, Default)]
struct Bell {
    is_rung: bool,
    waiting: Option<Waker>,
}

impl Doorbell {
    /// To be called after `COMMIT` has returned. Costs nanoseconds, waits for nobody.
    pub fn ring(&self) {
        let waiting = {
            let mut bell = self.bell();
            bell.is_rung = true;
            bell.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Returns once the bell has been rung since the last return.
    pub(crate) async fn rung(&self) {
        poll_fn(|context| self.poll_rung(context)).await;
    }

    fn poll_rung(&self, context: &Context<'_>) -> Poll<()> {
        let mut bell = self.bell();
        if std::mem::take(&mut bell.is_rung) {
            return Poll::Ready(());
        }
        bell.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn bell(&self) -> MutexGuard<'_, Bell> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
