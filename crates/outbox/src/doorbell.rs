use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes the relay of this process after a commit. Rings while it is awake are one ring.
///
/// A bell is a hint: what other processes append, or what is appended without ringing, the relay's poll finds.
#[derive(Debug, Clone, Default)]
pub struct Doorbell {
    notify: Arc<Notify>,
}

impl Doorbell {
    /// To be called after `COMMIT` has returned. Costs nanoseconds, never blocks.
    pub fn ring(&self) {
        self.notify.notify_one();
    }

    /// Returns once the bell has been rung since the last return.
    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }
}
