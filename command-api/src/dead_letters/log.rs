use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::Headers as _,
};
use tokio::sync::Semaphore;

/// How long a letter may take to be read.
const DEADLINE: Duration = Duration::from_secs(8);
/// Readers at once: each is a client with threads of its own.
const READERS: usize = 2;

/// Why a letter was not read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("Kafka did not give offset {offset} of {topic} [{partition}] within {DEADLINE:?}")]
    Timeout {
        topic: String,
        partition: i32,
        offset: i64,
    },
    #[error("{topic} [{partition}] has no record at offset {offset}")]
    Gone {
        topic: String,
        partition: i32,
        offset: i64,
    },
    #[error("Kafka could not be asked for a dead letter")]
    Kafka(#[from] KafkaError),
    #[error("the reading of a dead letter ended without a result")]
    Ended,
}

/// A letter as it lies in its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub timestamp_ms: Option<i64>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Reads letters by their position.
#[derive(Debug, Clone)]
pub struct LetterLog {
    client: ClientConfig,
    readers: Arc<Semaphore>,
}

impl LetterLog {
    pub fn new(brokers: &str, client_settings: &[(String, String)]) -> Self {
        let mut client = ClientConfig::new();
        for (name, value) in client_settings {
            client.set(name, value);
        }
        client
            .set("bootstrap.servers", brokers)
            .set("group.id", "dead-letter-reader")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.message.max.bytes", "4194304");
        Self {
            client,
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// The letter at a position.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn read(&self, topic: &str, partition: i32, offset: i64) -> Result<StoredLetter, LogError> {
        let (topic, client) = (topic.to_owned(), self.client.clone());
        let timeout = || LogError::Timeout {
            topic: topic.clone(),
            partition,
            offset,
        };
        let permit = Arc::clone(&self.readers).acquire_owned();
        let permit = tokio::time::timeout(DEADLINE, permit).await;
        let permit = permit.map_err(|_| timeout())?.map_err(|_| LogError::Ended)?;
        let place = topic.clone();
        let read = move || {
            let _permit = permit;
            read_one(&client, place, partition, offset)
        };
        // The client's calls block.
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| LogError::Ended)?
    }
}

fn read_one(
    client: &ClientConfig,
    topic: String,
    partition: i32,
    offset: i64,
) -> Result<StoredLetter, LogError> {
    let started = Instant::now();
    let consumer: BaseConsumer = client.create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
    consumer.assign(&list)?;
    loop {
        let left = DEADLINE.saturating_sub(started.elapsed());
        match consumer.poll(left) {
            Some(Ok(message)) if message.offset() == offset => {
                let headers = message.headers().map_or_else(Vec::new, |headers| {
                    headers
                        .iter()
                        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                        .collect()
                });
                return Ok(StoredLetter {
                    key: message.key().map(<[u8]>::to_vec),
                    payload: message.payload().map(<[u8]>::to_vec),
                    timestamp_ms: message.timestamp().to_millis(),
                    headers,
                });
            }
            Some(Ok(_)) => {
                return Err(LogError::Gone {
                    topic,
                    partition,
                    offset,
                });
            }
            Some(Err(error))
                if matches!(
                    error.rdkafka_error_code(),
                    Some(rdkafka::types::RDKafkaErrorCode::AutoOffsetReset)
                ) =>
            {
                return Err(LogError::Gone {
                    topic,
                    partition,
                    offset,
                });
            }
            // The client goes on by itself after other errors.
            Some(Err(_)) if started.elapsed() < DEADLINE => {}
            Some(Err(_)) | None => {
                return Err(LogError::Timeout {
                    topic,
                    partition,
                    offset,
                });
            }
        }
    }
}
