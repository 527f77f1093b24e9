//! What the log has, and how far groups have committed that they read it. Nobody becomes a member of a group for it.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use depot_kafka_client::ClosedApart;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use tokio::time::Instant;

use crate::doctor::installation::Kafka;

/// Of one request.
const LIMIT: Duration = Duration::from_secs(15);
/// For all of them, so that the tool ends in time.
const ALL: Duration = Duration::from_secs(40);

/// By topic and partition.
pub(super) type Extents = HashMap<(String, i32), Extent>;

/// A partition of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// The first offset that is there.
    pub(super) low: i64,
    /// The next one that will be written.
    pub(super) high: i64,
    /// The first one that is too new to be waited for; `high` where none is.
    pub(super) fresh: i64,
}

/// A group and where it stands.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) places: Vec<Place>,
}

pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The offset that it will read next.
    pub(super) next: i64,
}

/// The log of all topics that are there, and the groups' places in it. What was written within `patience` is fresh.
///
/// # Errors
/// A broker does not answer in time.
pub(super) async fn read(
    kafka: &Kafka,
    groups: Vec<String>,
    patience: Duration,
) -> Result<(Extents, Vec<Group>), KafkaError> {
    let client = kafka.client();
    let topics: Vec<String> = kafka.specs().into_iter().map(|spec| spec.name).collect();
    let before = SystemTime::now() - patience;
    let before_ms = before.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let before_ms = i64::try_from(before_ms).unwrap_or(i64::MAX);
    let asked = tokio::task::spawn_blocking(move || {
        let end = Instant::now() + ALL;
        let extents = extents(&client, &topics, before_ms, end)?;
        let groups = groups
            .into_iter()
            .map(|group| committed(&client, group, &extents, end));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        Ok((extents, groups))
    });
    // The thread only ends early when the runtime does.
    asked.await.map_err(|_| KafkaError::Canceled)?
}

/// How long the next request may take.
fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).min(LIMIT)
}

fn consumer(client: &ClientConfig, group: &str) -> Result<ClosedApart<BaseConsumer>, KafkaError> {
    let mut client = client.clone();
    client.set("group.id", group).set("enable.auto.commit", "false");
    Ok(ClosedApart::new(client.create()?))
}

fn extents(
    client: &ClientConfig,
    topics: &[String],
    before_ms: i64,
    end: Instant,
) -> Result<Extents, KafkaError> {
    // A name is wanted; nothing is read or committed under it.
    let consumer = consumer(client, "depot-doctor")?;
    let mut extents = Extents::new();
    let mut moments = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), left(end))?;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), left(end))?;
            let extent = Extent {
                low,
                high,
                fresh: high,
            };
            extents.insert((topic.clone(), partition.id()), extent);
            moments.add_partition_offset(topic, partition.id(), Offset::Offset(before_ms))?;
        }
    }
    if extents.is_empty() {
        return Ok(extents);
    }
    for found in consumer.offsets_for_times(moments, left(end))?.elements() {
        let extent = extents.get_mut(&(found.topic().to_owned(), found.partition()));
        // Anything else says that all that is there is older.
        if let (Some(extent), Offset::Offset(offset)) = (extent, found.offset()) {
            extent.fresh = offset.min(extent.high);
        }
    }
    Ok(extents)
}

/// Where a group has committed anything.
fn committed(
    client: &ClientConfig,
    group: String,
    extents: &Extents,
    end: Instant,
) -> Result<Group, KafkaError> {
    let consumer = consumer(client, &group)?;
    let mut asked = TopicPartitionList::with_capacity(extents.len());
    for (topic, partition) in extents.keys() {
        asked.add_partition(topic, *partition);
    }
    let mut places: Vec<Place> = consumer
        .committed_offsets(asked, left(end))?
        .elements()
        .into_iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(next) => Some(Place {
                topic: element.topic().to_owned(),
                partition: element.partition(),
                next,
            }),
            _ => None,
        })
        .collect();
    places.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(Group { name: group, places })
}
