use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use depot_schemas::header;
use depot_test_stack::settings;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};
use tokio::task::JoinHandle;

const TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Microseconds since 1970, by the clock that Postgres on this machine goes by too.
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Notes of each event of a topic when it was first consumed.
pub struct Listener {
    stop: Arc<AtomicBool>,
    listening: JoinHandle<Result<HashMap<String, i64>>>,
}

impl Listener {
    /// From now on.
    pub async fn start(topic: &str) -> Result<Self> {
        let topic = topic.to_owned();
        let consumer = tokio::task::spawn_blocking(move || at_the_end(&topic)).await??;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let listening = tokio::task::spawn_blocking(move || listen(&consumer, &stopped));
        Ok(Self { stop, listening })
    }

    /// Event ids with the moment of each, in microseconds since 1970. What is still under way has two more seconds.
    pub async fn end(self) -> Result<HashMap<String, i64>> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.stop.store(true, Ordering::Relaxed);
        self.listening.await?
    }
}

/// A consumer that begins at the end of every partition.
pub fn at_the_end(topic: &str) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .set("group.id", "bench-listens")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let partitions = metadata.topics().first().context("no such topic")?.partitions();
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let (_, high) = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT)?;
        list.add_partition_offset(topic, partition.id(), Offset::Offset(high))?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}

fn listen(consumer: &BaseConsumer, stop: &AtomicBool) -> Result<HashMap<String, i64>> {
    let mut seen = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(POLL) else {
            continue;
        };
        let (message, now) = (message?, now_micros());
        let id = message.headers().and_then(|headers| {
            let id = headers.iter().find(|found| found.key == header::ID)?;
            std::str::from_utf8(id.value?).ok().map(str::to_owned)
        });
        seen.entry(id.context("an event has an id")?).or_insert(now);
    }
    Ok(seen)
}
