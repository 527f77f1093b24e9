use std::time::Duration;

use anyhow::Context;
use depot_schemas::{Entity, EventType, header, topics::Topics};
use depot_service::config::KafkaConfig;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    message::{BorrowedMessage, Headers},
};

use crate::settings;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The event topics, read from where they ended when the demo began.
pub struct Log {
    consumer: StreamConsumer,
}

impl Log {
    pub async fn open(kafka: &KafkaConfig) -> anyhow::Result<Self> {
        let mut config = settings::kafka_client(kafka);
        config
            .set("group.id", format!("{}.demo", kafka.topic_prefix))
            .set("enable.auto.commit", "false");
        let topics = Topics::new(&kafka.topic_prefix);
        // Asking for watermarks blocks.
        tokio::task::spawn_blocking(move || {
            let consumer: StreamConsumer = config.create()?;
            let mut positions = TopicPartitionList::new();
            for topic in Entity::ALL.map(|entity| topics.events(entity)) {
                let metadata = consumer
                    .fetch_metadata(Some(&topic), TIMEOUT)
                    .context("read the topics' metadata")?;
                let partitions = metadata
                    .topics()
                    .first()
                    .map_or(&[][..], |topic| topic.partitions());
                anyhow::ensure!(
                    !partitions.is_empty(),
                    "topic {topic} is not there: run `make topics`"
                );
                for partition in partitions {
                    let (_, end) = consumer.fetch_watermarks(&topic, partition.id(), TIMEOUT)?;
                    positions.add_partition_offset(&topic, partition.id(), Offset::Offset(end))?;
                }
            }
            consumer.assign(&positions)?;
            Ok(Self { consumer })
        })
        .await?
    }

    /// Waits for the event of that type about that aggregate; what else comes by is skipped.
    pub async fn wait_for(&self, event_type: EventType, subject: &str) -> anyhow::Result<()> {
        loop {
            let message = self.consumer.recv().await?;
            let is_about = message.key() == Some(subject.as_bytes());
            if is_about && header_of(&message, header::TYPE) == Some(event_type.name()) {
                return Ok(());
            }
        }
    }
}

fn header_of<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}
