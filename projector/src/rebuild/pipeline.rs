//! What feeds one version of the views: a consumer of its own group, and lanes of its own.

use depot_consumer::{Consumer, ConsumerError, ConsumerHandle, ConsumerSettings, DeadLetters};
use depot_schemas::topics::Topics;
use depot_service::database::Pool;
use depot_service::shutdown::Shutdown;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{
    batch_store::BatchStore,
    cache_upkeep::CacheUpkeep,
    offsets::OffsetsTable,
    projector::Projector,
    redis_writer::RedisWriter,
    shared_writes::{SharedWrites, SharingSettings},
};

/// What all versions have in common.
#[derive(Debug)]
pub(crate) struct Pipelines {
    pub(crate) pool: Pool,
    pub(crate) topics: Topics,
    pub(crate) redis: Arc<RedisWriter>,
    pub(crate) upkeep: CacheUpkeep,
    pub(crate) sharing: SharingSettings,
    /// The first version's; others differ by their group.
    pub(crate) settings: ConsumerSettings,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) shutdown: Shutdown,
}

/// One that runs.
pub(crate) struct Pipeline {
    consumer: Consumer,
    /// Ends the lanes, after the consumer.
    lanes: CancellationToken,
}

impl Pipelines {
    /// Begins to feed a version, until `stop` is cancelled.
    pub(crate) fn start(&self, projection: i32, stop: CancellationToken) -> Result<Pipeline, ConsumerError> {
        let (pool, upkeep) = (self.pool.clone(), self.upkeep.clone());
        let store = BatchStore::new(pool, projection, Arc::clone(&self.redis), upkeep);
        let lanes = self.shutdown.last_token().child_token();
        let shared = SharedWrites::start_until(store.clone(), self.sharing, &self.shutdown, lanes.clone());
        let group = self.topics.projector_group(projection);
        let settings = ConsumerSettings {
            client_id: group.clone(),
            group,
            ..self.settings.clone()
        };
        let consumer = Consumer::start_batch(
            settings,
            Projector::new(self.topics.clone(), store, shared),
            OffsetsTable::new(self.pool.clone(), projection),
            self.dead_letters.clone(),
            stop,
        );
        match consumer {
            Ok(consumer) => Ok(Pipeline { consumer, lanes }),
            Err(error) => {
                lanes.cancel();
                Err(error)
            }
        }
    }
}

impl Pipeline {
    pub(crate) fn handle(&self) -> ConsumerHandle {
        self.consumer.handle()
    }

    /// Waits until it has ended, with all that it has begun.
    pub(crate) async fn ended(self) -> Result<(), ConsumerError> {
        let ended = self.consumer.join().await;
        self.lanes.cancel();
        ended
    }
}
