use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use depot_test_stack::settings;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A message as it lies in Kafka.
#[derive(Debug, Clone)]
pub struct LogRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Vec<u8>,
    pub headers: HashMap<String, Vec<u8>>,
}

impl LogRecord {
    /// A header as text; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
            .unwrap_or_default()
    }

    pub fn key_text(&self) -> &str {
        self.key
            .as_deref()
            .and_then(|key| std::str::from_utf8(key).ok())
            .unwrap_or_default()
    }
}

/// Everything that lies in a topic now, partition by partition, each from its first offset to its end.
pub async fn read_topic(topic: &str) -> Result<Vec<LogRecord>> {
    read_topic_on(settings().kafka_brokers(), topic).await
}

/// As `read_topic`, on brokers of the test's own.
pub async fn read_topic_on(brokers: &str, topic: &str) -> Result<Vec<LogRecord>> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || read_topic_blocking(&brokers, &topic)).await?
}

fn read_topic_blocking(brokers: &str, topic: &str) -> Result<Vec<LogRecord>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reader-from-outside")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let topic_metadata = metadata.topics().first().context("no such topic")?;
    let mut partitions: Vec<i32> = topic_metadata.partitions().iter().map(|p| p.id()).collect();
    // The broker lists them in any order.
    partitions.sort_unstable();
    let mut records = Vec::new();
    for partition in partitions {
        let (start, end) = consumer.fetch_watermarks(topic, partition, TIMEOUT)?;
        if start == end {
            continue;
        }
        let mut position = TopicPartitionList::new();
        position.add_partition_offset(topic, partition, Offset::Offset(start))?;
        consumer.assign(&position)?;
        loop {
            let message = consumer
                .poll(TIMEOUT)
                .context("the end of the partition was not reached")??;
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            records.push(LogRecord {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                payload: message.payload().unwrap_or_default().to_vec(),
                headers: headers
                    .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
                    .collect(),
            });
            if message.offset() + 1 >= end {
                break;
            }
        }
    }
    Ok(records)
}

/// Puts any message on a topic, well formed or not, into the partition where the relay puts messages of that key.
pub async fn produce_raw(
    topic: &str,
    key: Option<&str>,
    headers: &[(&str, &str)],
    payload: &[u8],
) -> Result<()> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .set("partitioner", "murmur2_random")
        .create()?;
    let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
        all.insert(rdkafka::message::Header {
            key,
            value: Some(value.as_bytes()),
        })
    });
    let mut record = FutureRecord::to(topic).payload(payload).headers(headers);
    if let Some(key) = key {
        record = record.key(key);
    }
    producer.send(record, TIMEOUT).await.map_err(|(error, _)| error)?;
    Ok(())
}
