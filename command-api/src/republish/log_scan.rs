use std::{
    collections::BTreeMap,
    mem,
    time::{Duration, Instant},
};

use depot_schemas::{Entity, Event, decode};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

/// How long a question to a broker may take.
const ASK: Duration = Duration::from_secs(10);
/// A log that gives nothing for so long is away.
const STALLED: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(500);
/// Records that are read before what was found among them is handed over.
const BATCH: usize = 2_000;
/// And how long that takes at most: whoever takes it renews a lease by it.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Why a log was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("Kafka could not be asked for {topic}")]
    Kafka {
        topic: String,
        #[source]
        source: KafkaError,
    },
    #[error("{topic} gave nothing for {} s", STALLED.as_secs())]
    Stalled { topic: String },
    #[error("the reading of {topic} ended without a result")]
    Ended { topic: String },
}

/// Reads a log of events from its beginning.
#[derive(Debug, Clone)]
pub struct LogScan {
    client: ClientConfig,
}

/// A reading that is under way. It ends when this is dropped.
#[derive(Debug)]
pub struct Scan {
    topic: String,
    found: mpsc::Receiver<BTreeMap<Uuid, Event>>,
    reading: JoinHandle<Result<(), ScanError>>,
}

impl LogScan {
    pub fn new(brokers: &str, client_settings: &[(String, String)]) -> Self {
        let mut client = ClientConfig::new();
        for (name, value) in client_settings {
            client.set(name, value);
        }
        client
            .set("bootstrap.servers", brokers)
            .set("group.id", "log-scan")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed");
        Self { client }
    }

    /// Begins to read the events of `entity` in `topic` that belong to epochs before `epoch`, up to where the log ends now.
    pub fn begin(&self, topic: String, entity: Entity, epoch: i32) -> Scan {
        let (found, taken) = mpsc::channel(1);
        let (client, place) = (self.client.clone(), topic.clone());
        // The client's calls block.
        let read = move || {
            let reader = Reader {
                entity,
                epoch,
                found,
                gathered: BTreeMap::new(),
                records: 0,
                handed_over: Instant::now(),
            };
            reader.read(&client, &place)
        };
        Scan {
            topic,
            found: taken,
            reading: tokio::task::spawn_blocking(read),
        }
    }
}

impl Scan {
    /// Of the records read since the last call the newest event of each aggregate, none of an aggregate of the present epoch; often
    /// there is none. None at the end.
    pub async fn next(&mut self) -> Option<BTreeMap<Uuid, Event>> {
        self.found.recv().await
    }

    /// Whether the log was read to its end.
    ///
    /// # Errors
    /// [`ScanError`].
    pub async fn ended(self) -> Result<(), ScanError> {
        let topic = self.topic;
        self.reading.await.map_err(|_| ScanError::Ended { topic })?
    }
}

struct Reader {
    entity: Entity,
    epoch: i32,
    found: mpsc::Sender<BTreeMap<Uuid, Event>>,
    gathered: BTreeMap<Uuid, Event>,
    /// Read since the last hand-over.
    records: usize,
    handed_over: Instant,
}

impl Reader {
    fn read(mut self, client: &ClientConfig, topic: &str) -> Result<(), ScanError> {
        let failed = |source| ScanError::Kafka {
            topic: topic.to_owned(),
            source,
        };
        let consumer: BaseConsumer = client.create().map_err(failed)?;
        let mut open = ends(&consumer, topic).map_err(failed)?;
        let mut heard = Instant::now();
        while !open.is_empty() && !self.found.is_closed() {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    self.gather(&message);
                    let is_last = |end: &i64| message.offset() + 1 >= *end;
                    if open.get(&message.partition()).is_some_and(is_last) {
                        open.remove(&message.partition());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                // The client goes on by itself.
                Some(Err(_)) | None if heard.elapsed() < STALLED => {}
                Some(Err(source)) => return Err(failed(source)),
                None => {
                    let topic = topic.to_owned();
                    return Err(ScanError::Stalled { topic });
                }
            }
            if self.records >= BATCH || self.handed_over.elapsed() > HAND_OVER {
                self.hand_over();
            }
        }
        self.hand_over();
        Ok(())
    }

    /// What is no event is some group's dead letter, and of no aggregate.
    fn gather(&mut self, message: &BorrowedMessage<'_>) {
        self.records += 1;
        let header = |name: &str| {
            let mut headers = message.headers()?.iter();
            headers.find(|header| header.key == name)?.value
        };
        let Ok(event) = decode(self.entity, message.key(), header, message.payload()) else {
            return;
        };
        if event.envelope.version.epoch < self.epoch {
            self.gathered.insert(event.envelope.subject, event);
        }
    }

    fn hand_over(&mut self) {
        self.records = 0;
        self.handed_over = Instant::now();
        // Nobody takes it any more where the scan was given up.
        let _taken = self.found.blocking_send(mem::take(&mut self.gathered));
    }
}

/// Goes to the beginning of each partition, and answers where those end that have something.
fn ends(consumer: &BaseConsumer, topic: &str) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let (mut begin, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
    for partition in partitions.map(|partition| partition.id()) {
        let (first, end) = consumer.fetch_watermarks(topic, partition, ASK)?;
        if first < end {
            begin.add_partition_offset(topic, partition, Offset::Offset(first))?;
            ends.insert(partition, end);
        }
    }
    consumer.assign(&begin)?;
    Ok(ends)
}
