//! Where a partition begins: the group's committed offset, or one that the handler keeps in a database.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::handler::BoxError;
use crate::rebalance::GroupContext;
use crate::settings::StartWithoutOffset;

/// The store of offsets can't be read now. It is asked again, for as long as it takes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OffsetUnavailable {
    /// What was being read, and from where.
    pub message: String,
    /// The store's own error.
    #[source]
    pub source: Option<BoxError>,
}

impl OffsetUnavailable {
    /// With its cause.
    pub fn new(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
        }
    }
}

/// Tells the next offset to read of a partition.
pub trait OffsetSource: Send + Sync + 'static {
    /// The next offset to read; a store that has none yet answers 0 (and remembers that, so that the first batch's
    /// compare-and-set finds it). An offset outside the log stops the partition.
    ///
    /// # Errors
    /// [`OffsetUnavailable`] when the store can't be read now.
    fn load(
        &self,
        topic: &str,
        partition: i32,
    ) -> impl Future<Output = Result<i64, OffsetUnavailable>> + Send;
}

/// The group's committed offset; without one, an end of the log as the settings say.
pub(crate) struct CommittedOffsets {
    pub(crate) consumer: Arc<BaseConsumer<GroupContext>>,
    pub(crate) start: StartWithoutOffset,
}

/// How long one question to the group coordinator or partition leader may take.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

impl OffsetSource for CommittedOffsets {
    async fn load(&self, topic: &str, partition: i32) -> Result<i64, OffsetUnavailable> {
        let consumer = Arc::clone(&self.consumer);
        let (name, start) = (topic.to_owned(), self.start);
        // The client's call blocks, so it runs where blocking is allowed.
        let loaded =
            tokio::task::spawn_blocking(move || committed_or_start(&consumer, &name, partition, start)).await;
        match loaded {
            Ok(Ok(offset)) => Ok(offset),
            Ok(Err(source)) => Err(OffsetUnavailable::new(
                format!("read the committed offset of {topic} [{partition}]"),
                source,
            )),
            Err(source) => Err(OffsetUnavailable::new(
                format!("read the committed offset of {topic} [{partition}]"),
                source,
            )),
        }
    }
}

fn committed_or_start(
    consumer: &BaseConsumer<GroupContext>,
    topic: &str,
    partition: i32,
    start: StartWithoutOffset,
) -> Result<i64, KafkaError> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let committed = consumer.committed_offsets(asked, BROKER_TIMEOUT)?;
    if let Some(element) = committed.find_partition(topic, partition) {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            return Ok(offset);
        }
    }
    let (low, high) = consumer.fetch_watermarks(topic, partition, BROKER_TIMEOUT)?;
    Ok(match start {
        StartWithoutOffset::Earliest => low,
        StartWithoutOffset::Latest => high,
    })
}
