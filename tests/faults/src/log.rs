//! Kafka, read from outside.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{BorrowedMessage, Headers as _},
};

const TIMEOUT: Duration = Duration::from_secs(60);
/// A read that comes to nothing within it has met the end: what lies behind is a transaction's marker.
const QUIET: Duration = Duration::from_secs(3);

/// A message as it lies there.
#[derive(Debug, Clone)]
pub struct Message {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// A header as text; empty where it is missing or none.
    pub fn header(&self, name: &str) -> &str {
        std::str::from_utf8(self.header_bytes(name)).unwrap_or_default()
    }

    pub fn header_bytes(&self, name: &str) -> &[u8] {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or(&[], |(_, value)| value)
    }

    pub fn key_text(&self) -> &str {
        self.key
            .as_deref()
            .and_then(|key| std::str::from_utf8(key).ok())
            .unwrap_or_default()
    }
}

/// Every topic that is not Kafka's own.
pub async fn topics(brokers: &str) -> Result<Vec<String>> {
    let brokers = brokers.to_owned();
    tokio::task::spawn_blocking(move || {
        let metadata = consumer(&brokers, "campaign")?.fetch_metadata(None, TIMEOUT)?;
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        Ok(names.filter(|name| !name.starts_with("__")).collect())
    })
    .await?
}

/// Everything that is committed in a topic, partition by partition, in the order of its offsets.
pub async fn read_whole(brokers: &str, topic: &str) -> Result<Vec<Message>> {
    read(brokers, topic, None).await
}

/// The newest `count` offsets of each partition.
pub async fn read_tail(brokers: &str, topic: &str, count: i64) -> Result<Vec<Message>> {
    read(brokers, topic, Some(count)).await
}

async fn read(brokers: &str, topic: &str, newest: Option<i64>) -> Result<Vec<Message>> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer = consumer(&brokers, "campaign")?;
        let mut messages = Vec::new();
        for partition in partitions(&consumer, &topic)? {
            let (start, end) = ends(&consumer, &topic, partition)?;
            let start = newest.map_or(start, |count| start.max(end - count));
            read_partition(&consumer, &topic, partition, start..end, &mut messages)
                .with_context(|| format!("read {topic} [{partition}] from {start} to {end}"))?;
        }
        Ok(messages)
    })
    .await?
}

/// Asked again while another broker takes the partition over.
fn ends(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64)> {
    let begun = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, TIMEOUT) {
            Ok(ends) => return Ok(ends),
            Err(error) if begun.elapsed() > TIMEOUT => {
                return Err(error).with_context(|| format!("the ends of {topic} [{partition}]"));
            }
            // Nothing is assigned to it: it only waits, and hears of the brokers meanwhile.
            Err(_) => drop(consumer.poll(Duration::from_millis(200))),
        }
    }
}

fn read_partition(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    offsets: std::ops::Range<i64>,
    messages: &mut Vec<Message>,
) -> Result<()> {
    if offsets.is_empty() {
        return Ok(());
    }
    let mut position = TopicPartitionList::new();
    position.add_partition_offset(topic, partition, Offset::Offset(offsets.start))?;
    consumer.assign(&position)?;
    let mut deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        match consumer.poll(QUIET) {
            Some(Ok(message)) => {
                deadline = std::time::Instant::now() + TIMEOUT;
                if message.offset() < offsets.end {
                    messages.push(owned(&message));
                }
                if message.offset() + 1 >= offsets.end {
                    return Ok(());
                }
            }
            Some(Err(error)) if std::time::Instant::now() > deadline => return Err(error.into()),
            Some(Err(_)) => {}
            None => {
                let position = consumer.position()?;
                let reached = position
                    .find_partition(topic, partition)
                    .map(|found| found.offset());
                if matches!(reached, Some(Offset::Offset(reached)) if reached >= offsets.end) {
                    return Ok(());
                }
                anyhow::ensure!(std::time::Instant::now() < deadline, "the end was not reached");
            }
        }
    }
}

/// The committed offsets of a group, of each partition of a topic; none where it has committed nothing.
pub async fn committed(brokers: &str, group: &str, topic: &str) -> Result<Vec<(i32, Option<i64>)>> {
    let (brokers, group, topic) = (brokers.to_owned(), group.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer = consumer(&brokers, &group)?;
        let mut asked = TopicPartitionList::new();
        for partition in partitions(&consumer, &topic)? {
            asked.add_partition(&topic, partition);
        }
        let offsets = consumer.committed_offsets(asked, TIMEOUT)?;
        let of = |offset| {
            if let Offset::Offset(offset) = offset {
                Some(offset)
            } else {
                None
            }
        };
        Ok(offsets
            .elements()
            .iter()
            .map(|found| (found.partition(), of(found.offset())))
            .collect())
    })
    .await?
}

fn consumer(brokers: &str, group: &str) -> Result<BaseConsumer> {
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .create()?;
    Ok(consumer)
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let found = metadata.topics().first().context("no such topic")?;
    let mut partitions: Vec<i32> = found
        .partitions()
        .iter()
        .map(|partition| partition.id())
        .collect();
    anyhow::ensure!(!partitions.is_empty(), "{topic} has no partitions");
    partitions.sort_unstable();
    Ok(partitions)
}

fn owned(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Message {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().unwrap_or_default().to_vec(),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect(),
    }
}
