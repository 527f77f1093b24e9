//! Kafka's log: where an event lies, and how far it goes. Read by a client that is assigned partitions, is a member of no
//! group, and commits nothing.

use std::{sync::Arc, time::Duration};

use depot_kafka_client::{CLOSED_WITHIN, close_within};
use depot_schemas::topics::Topics;
use depot_service::{config::KafkaConfig, problem::chain};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use time::OffsetDateTime;

use super::{
    hop::{NotSeen, Seen},
    search::{self, Search, Stretch, Wanted},
};
use crate::settings;

/// For each request to the brokers.
pub const LIMIT: Duration = Duration::from_secs(5);

/// A place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// From where on a partition is read.
#[derive(Debug, Clone, Copy)]
pub enum From {
    Start,
    /// The first record that is not older. None if the log has none.
    Time(OffsetDateTime),
    Offset(i64),
}

type Client = Arc<BaseConsumer>;

/// A client of the brokers, or why there is none.
pub struct Log {
    client: Seen<(Client, ClientConfig)>,
    pub topics: Topics,
}

impl Log {
    /// Asks the brokers for a topic, so that it is known here whether they answer.
    pub async fn open() -> Self {
        let kafka = match settings::read(KafkaConfig::read) {
            Ok(kafka) => kafka,
            Err(errors) => {
                return Self {
                    client: Err(NotSeen(format!("Kafka: {errors}"))),
                    topics: Topics::new("depot"),
                };
            }
        };
        let mut config = settings::kafka_client(&kafka);
        config
            // A name by which nothing is ever committed: without one partitions cannot be assigned.
            .set("group.id", format!("{}.trace", kafka.topic_prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100");
        let topics = Topics::new(&kafka.topic_prefix);
        let asked = topics.events(depot_schemas::Entity::Items);
        let log = Self {
            client: client(config),
            topics: topics.clone(),
        };
        match log.partitions(&asked).await {
            Ok(_) => log,
            Err(why) => {
                log.close().await;
                let client = Err(why);
                Self { client, topics }
            }
        }
    }

    /// Closes the client before the process ends. That blocks, and is waited for on a thread that may.
    pub async fn close(self) {
        let Ok((client, _)) = self.client else { return };
        let closing = move || close_within(client, CLOSED_WITHIN);
        // What is not closed by then ends with the process.
        let _closed = tokio::task::spawn_blocking(closing).await;
    }

    /// How many partitions a topic has; 0 if there is no such topic.
    pub async fn partitions(&self, topic: &str) -> Seen<i32> {
        let topic = topic.to_owned();
        self.ask("list a topic's partitions", move |client, _| {
            let metadata = client.fetch_metadata(Some(&topic), LIMIT)?;
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            let count = found.map_or(0, |topic| topic.partitions().len());
            Ok(i32::try_from(count).unwrap_or(i32::MAX))
        })
        .await
    }

    /// The offset behind the newest record of a partition.
    pub async fn end(&self, topic: &str, partition: i32) -> Seen<i64> {
        let topic = topic.to_owned();
        self.ask("tell a partition's end", move |client, _| {
            Ok(client.fetch_watermarks(&topic, partition, LIMIT)?.1)
        })
        .await
    }

    /// Reads partitions, each from there on to its present end, until what is wanted is found, at most for `limit`.
    pub async fn search(
        &self,
        from: Vec<(String, i32, From)>,
        wanted: Wanted,
        limit: Duration,
    ) -> Seen<Search> {
        self.ask("give records", move |client, _| {
            let stretches = stretches(client, &from)?;
            search::run(client, stretches, &wanted, limit)
        })
        .await
    }

    /// The offset that a group has committed of a partition; none if it never has. Asked in the group's name, without
    /// becoming its member.
    pub async fn committed(&self, group: &str, topic: &str, partition: i32) -> Seen<Option<i64>> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.ask("tell a group's offsets", move |_, config| {
            let asking: BaseConsumer = config.clone().set("group.id", group).create()?;
            let mut place = TopicPartitionList::new();
            place.add_partition(&topic, partition);
            let committed = asking.committed_offsets(place, LIMIT);
            let _closed = close_within(asking, CLOSED_WITHIN);
            offset_of(&committed?, &topic, partition)
        })
        .await
    }

    /// Asks on a thread that may block: the client's calls do, each for as long as its limit.
    async fn ask<T: Send + 'static>(
        &self,
        doing: &str,
        call: impl FnOnce(&Client, &ClientConfig) -> Result<T, KafkaError> + Send + 'static,
    ) -> Seen<T> {
        let (client, config) = self.client.clone()?;
        let answer = tokio::task::spawn_blocking(move || call(&client, &config)).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(NotSeen(format!("Kafka did not {doing}: {}", chain(&error)))),
            Err(_) => Err(NotSeen(format!("Kafka was not asked to {doing}"))),
        }
    }
}

fn client(config: ClientConfig) -> Seen<(Client, ClientConfig)> {
    let client: Result<BaseConsumer, _> = config.create();
    match client {
        Ok(client) => Ok((Arc::new(client), config)),
        Err(error) => Err(NotSeen(format!("Kafka: {}", chain(&error)))),
    }
}

/// The offset that an answer has of a partition; none for "no such".
fn offset_of(answer: &TopicPartitionList, topic: &str, partition: i32) -> Result<Option<i64>, KafkaError> {
    let Some(found) = answer.find_partition(topic, partition) else {
        return Ok(None);
    };
    found.error()?;
    Ok(match found.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}

/// What is there to be read; partitions without anything are left out.
fn stretches(client: &BaseConsumer, from: &[(String, i32, From)]) -> Result<Vec<Stretch>, KafkaError> {
    let mut stretches = Vec::new();
    for (topic, partition, from) in from {
        let (start, end) = client.fetch_watermarks(topic, *partition, LIMIT)?;
        let first = match from {
            From::Start => start,
            From::Offset(offset) => start.max(*offset),
            From::Time(at) => {
                let mut asked = TopicPartitionList::new();
                let millis = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
                asked.add_partition_offset(topic, *partition, Offset::Offset(millis.max(0)))?;
                let answer = client.offsets_for_times(asked, LIMIT)?;
                offset_of(&answer, topic, *partition)?.unwrap_or(end)
            }
        };
        if first < end {
            stretches.push(Stretch {
                topic: topic.clone(),
                partition: *partition,
                first,
                end,
            });
        }
    }
    Ok(stretches)
}
