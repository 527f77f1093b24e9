//! A consumer under test, and waiting for what it does.

use std::time::Duration;

use depot_consumer::{Consumer, ConsumerSettings, DeadLetters, PartitionStatus};
use tokio_util::sync::CancellationToken;

use crate::{log::brokers, texts::Texts};

/// A consumer under test, with its way to stop.
pub struct Running {
    pub consumer: Consumer,
    pub stop: CancellationToken,
}

impl Running {
    pub fn keyed(settings: ConsumerSettings, handler: Texts) -> Self {
        let stop = CancellationToken::new();
        let consumer = Consumer::start_keyed(settings, handler, dead_letters(), stop.clone()).expect("start");
        Self { consumer, stop }
    }

    pub fn partition(&self, partition: i32) -> Option<PartitionStatus> {
        let status = self.consumer.handle().status();
        status
            .partitions
            .into_iter()
            .find(|status| status.partition == partition)
    }

    pub fn partitions(&self) -> Vec<i32> {
        self.consumer
            .handle()
            .status()
            .partitions
            .iter()
            .map(|status| status.partition)
            .collect()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.consumer.join().await.expect("a clean end");
    }
}

pub fn dead_letters() -> DeadLetters {
    DeadLetters::new(&brokers(), &[]).expect("a dead-letter producer")
}

/// Waits for a condition with a deadline that outlasts a broker's session timeout, or for so many seconds as
/// `TEST_PATIENCE_SECONDS` says: of a change that breaks everything, each test would be waited for to the end.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_of(&[], what, holds).await;
}

/// As [`until`], and says how these consumers stand if it never comes.
pub async fn until_of(consumers: &[&Running], what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let told = std::env::var("TEST_PATIENCE_SECONDS").ok();
    let patience = told.map_or(120, |seconds| seconds.parse().expect("a number of seconds"));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(patience);
    while !holds().await {
        let standing = || consumers.iter().map(|running| running.consumer.handle().status());
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within {patience} s: {what}: {:?}",
            standing().collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
