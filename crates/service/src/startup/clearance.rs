use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Given once what it stands for was found to be in order, and then for good. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clearance(Vec<CancellationToken>);

impl Default for Clearance {
    /// One that is not given yet.
    fn default() -> Self {
        Self(vec![CancellationToken::new()])
    }
}

impl Clearance {
    /// One that needs nothing: for parts that are run without a process.
    #[must_use]
    pub fn none_needed() -> Self {
        Self(Vec::new())
    }

    /// Given when both are.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    pub(super) fn give(&self) {
        self.0.iter().for_each(CancellationToken::cancel);
    }

    /// Whether it is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.iter().all(CancellationToken::is_cancelled)
    }

    /// Waits until it is given.
    pub async fn given(&self) {
        for part in &self.0 {
            part.cancelled().await;
        }
    }

    /// Does the work once it is given; `None` if `stop` came first, and the work was not begun.
    pub async fn then<T>(self, stop: CancellationToken, work: impl Future<Output = T>) -> Option<T> {
        stop.run_until_cancelled(self.given()).await?;
        Some(work.await)
    }
}
