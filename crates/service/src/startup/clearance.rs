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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn one_that_needs_nothing_is_given_and_another_is_not_until_it_is() {
        let nothing = Clearance::none_needed();
        assert!(nothing.is_given() && nothing.given().now_or_never().is_some());
        let needed = Clearance::default();
        assert!(!needed.is_given() && needed.given().now_or_never().is_none());
        needed.give();
        assert!(needed.is_given() && needed.given().now_or_never().is_some());
    }

    #[test]
    fn two_together_are_given_when_both_are_in_whatever_order() {
        for first in [0, 1] {
            let parts = [Clearance::default(), Clearance::default()];
            let both = parts[0].and(&parts[1]);
            parts[first].give();
            assert!(!both.is_given() && both.given().now_or_never().is_none());
            parts[1 - first].give();
            assert!(both.is_given() && both.given().now_or_never().is_some());
        }
        let alone = Clearance::default();
        let with_nothing = alone.and(&Clearance::none_needed());
        assert!(!with_nothing.is_given());
        alone.give();
        assert!(with_nothing.is_given());
    }

    #[test]
    fn work_begins_when_it_is_given_and_never_after_a_stop_that_came_first() {
        let stop = CancellationToken::new();
        let given = Clearance::none_needed();
        assert_eq!(
            given.then(stop.clone(), async { 7 }).now_or_never(),
            Some(Some(7))
        );
        let work = Clearance::default().then(stop.clone(), async { 7 });
        stop.cancel();
        assert_eq!(work.now_or_never(), Some(None));
    }
}
