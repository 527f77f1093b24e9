//! What keeps the outbox small and visible: partitions and the measure of the backlog. Goes on while Kafka is away.

use tokio::time::Instant;

use super::Relay;
use crate::{error::RelayError, metrics, store::ReadRequest};

/// Rows counted a shard; beyond that an estimate says as much.
const COUNTED_ROWS: i64 = 1_000;
/// Partitions dropped at a time: each takes a short exclusive lock.
const DROPS: usize = 4;

impl Relay {
    pub(super) async fn upkeep(&mut self) -> Result<(), RelayError> {
        if Instant::now() < self.due.upkeep {
            return Ok(());
        }
        self.due.upkeep = Instant::now() + self.options.upkeep_interval;
        let added = self
            .store
            .add_partitions(self.options.partition_rows, self.options.partitions_ahead)
            .await?;
        if added > 0 {
            tracing::info!(outbox.partitions = added, "partitions were added to the outbox");
        }
        self.drop_partitions().await?;
        self.store.forget_relays().await?;
        self.measure().await
    }

    async fn drop_partitions(&mut self) -> Result<(), RelayError> {
        for _ in 0..DROPS {
            let Some(name) = self.store.oldest_partition().await? else {
                return Ok(());
            };
            let outcome = self.store.drop_partition(&name).await?;
            if outcome != "dropped" {
                return Ok(());
            }
            tracing::info!(outbox.partition = name, "a published partition was dropped");
        }
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), RelayError> {
        let shards: Vec<ReadRequest> = self
            .shards
            .values()
            .map(|shard| ReadRequest {
                shard: shard.tenure.shard,
                from: shard.acked.clone(),
            })
            .collect();
        if shards.is_empty() {
            ::metrics::gauge!(metrics::UNPUBLISHED_ROWS).set(0.0);
            ::metrics::gauge!(metrics::OLDEST_SECONDS).set(0.0);
            return Ok(());
        }
        let backlog = self.store.backlog(&shards, COUNTED_ROWS).await?;
        ::metrics::gauge!(metrics::UNPUBLISHED_ROWS).set(backlog.rows as f64);
        ::metrics::gauge!(metrics::OLDEST_SECONDS).set(backlog.oldest_age.as_secs_f64());
        Ok(())
    }
}
