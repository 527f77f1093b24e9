//! Where the logs of topics begin and end.

use std::{sync::Arc, time::Duration};

use depot_kafka_client::ClosedApart;
use depot_service::config::KafkaConfig;
use rdkafka::{
    ClientConfig, admin::AdminClient, client::DefaultClientContext, error::KafkaError,
    types::RDKafkaErrorCode,
};

/// For each question to a broker.
const ASK: Duration = Duration::from_secs(5);
/// For all of them.
const LIMIT: Duration = Duration::from_secs(20);

/// A partition of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    pub topic: String,
    pub partition: i32,
    /// Of the oldest record that is there.
    pub first_offset: i64,
    /// Of the record that comes next.
    pub next_offset: i64,
}

/// Kafka has not told.
#[derive(Debug, thiserror::Error)]
pub enum LogEndsError {
    #[error("Kafka did not tell where the log of {topic} ends")]
    Kafka {
        topic: String,
        #[source]
        source: KafkaError,
    },
    #[error("Kafka did not tell where its logs end within {} s", LIMIT.as_secs())]
    Slow,
    #[error("the question to Kafka ended early")]
    Ended(#[from] tokio::task::JoinError),
}

/// Asks where logs end. Cheap to clone.
#[derive(Clone)]
pub struct LogEnds {
    client: Arc<ClosedApart<AdminClient<DefaultClientContext>>>,
}

impl LogEnds {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// Settings that the client refuses.
    pub fn new(kafka: &KafkaConfig) -> Result<Self, KafkaError> {
        let settings = kafka.client_settings().into_iter();
        let mut config: ClientConfig = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        // Whoever asks for the metadata of a topic that is not there makes it, where the broker does such.
        config.set("allow.auto.create.topics", "false");
        Ok(Self {
            client: Arc::new(ClosedApart::new(config.create()?)),
        })
    }

    /// All partitions of these topics, by topic and number.
    ///
    /// # Errors
    /// [`LogEndsError`].
    pub async fn read(&self, topics: Vec<String>) -> Result<Vec<LogEnd>, LogEndsError> {
        let client = Arc::clone(&self.client);
        // The client's calls block, so they run where blocking is allowed.
        let asked = tokio::task::spawn_blocking(move || ask_all(&client, topics));
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(answer) => answer?,
            Err(_) => Err(LogEndsError::Slow),
        }
    }
}

fn ask_all(
    client: &AdminClient<DefaultClientContext>,
    topics: Vec<String>,
) -> Result<Vec<LogEnd>, LogEndsError> {
    let mut ends = Vec::new();
    for topic in topics {
        match ask(client, &topic) {
            Ok(of_topic) => ends.extend(of_topic),
            Err(source) => return Err(LogEndsError::Kafka { topic, source }),
        }
    }
    Ok(ends)
}

fn ask(client: &AdminClient<DefaultClientContext>, topic: &str) -> Result<Vec<LogEnd>, KafkaError> {
    let metadata = client.inner().fetch_metadata(Some(topic), ASK)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut numbers: Vec<i32> = partitions.map(|partition| partition.id()).collect();
    if numbers.is_empty() {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
    }
    numbers.sort_unstable();
    let of_partition = |partition| {
        let (first_offset, next_offset) = client.inner().fetch_watermarks(topic, partition, ASK)?;
        Ok(LogEnd {
            topic: topic.to_owned(),
            partition,
            first_offset,
            next_offset,
        })
    };
    numbers.into_iter().map(of_partition).collect()
}

impl std::fmt::Debug for LogEnds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogEnds").finish_non_exhaustive()
    }
}
