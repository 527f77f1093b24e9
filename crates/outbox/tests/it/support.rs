//! A database and a topic of the test's own, events for it, and what Kafka holds afterwards.

use std::{collections::BTreeMap, time::Duration};

use depot_outbox::{Doorbell, NewEvent, Relay, RelayHandle, RelayOptions, StepOutcome, append, shard_of};
use depot_test_stack::{ServiceRole, TestDatabase, settings, unique_name, wait_until_led};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);

pub struct World {
    pub pool: PgPool,
    pub owner: PgPool,
    pub topic: String,
    _database: TestDatabase,
}

impl World {
    pub async fn new() -> Self {
        Self::with_topic(&[]).await
    }

    /// With a topic of three partitions that has these settings.
    pub async fn with_topic(settings: &[(&str, &str)]) -> Self {
        let world = Self::without_topic().await;
        let topic = NewTopic::new(&world.topic, 3, TopicReplication::Fixed(1));
        let topic = settings
            .iter()
            .fold(topic, |topic, (name, value)| topic.set(name, value));
        let created = admin()
            .create_topics([&topic], &AdminOptions::new())
            .await
            .unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        wait_until_led(
            depot_test_stack::settings().kafka_brokers(),
            std::slice::from_ref(&world.topic),
            3,
        )
        .await;
        world
    }

    pub async fn without_topic() -> Self {
        let database = TestDatabase::create().await.unwrap();
        Self {
            pool: database.pool(ServiceRole::Command).await,
            owner: database.owner_pool().await,
            topic: format!("{}.items.v1", unique_name()),
            _database: database,
        }
    }

    /// Options that suit a test: this Kafka, positions written at once.
    pub fn options(&self) -> RelayOptions {
        RelayOptions {
            brokers: settings().kafka_brokers().to_owned(),
            instance: "test".to_owned(),
            save_interval: Duration::ZERO,
            heartbeat: Duration::from_millis(200),
            claim_interval: Duration::from_millis(100),
            ..RelayOptions::default()
        }
    }

    pub fn relay(&self, options: RelayOptions) -> (Relay, RelayHandle) {
        Relay::new(options, &self.pool, Doorbell::default())
    }

    pub fn event(&self, aggregate_id: Uuid, version: i64) -> NewEvent {
        self.event_with(
            aggregate_id,
            version,
            format!(r#"{{"version":{version}}}"#).into_bytes(),
        )
    }

    pub fn event_with(&self, aggregate_id: Uuid, version: i64, payload: Vec<u8>) -> NewEvent {
        let event_id = Uuid::now_v7();
        let header = |name: &str, value: String| (name.to_owned(), value);
        NewEvent {
            topic: self.topic.clone(),
            aggregate_id,
            aggregate_version: version,
            event_id,
            event_type: "depot.item.updated.v1".to_owned(),
            occurred_at: OffsetDateTime::now_utc(),
            headers: vec![
                header("ce_id", event_id.to_string()),
                header("ce_type", "depot.item.updated.v1".to_owned()),
                header("ce_aggregateversion", version.to_string()),
                header("ce_source", "/depot/command-api".to_owned()),
            ],
            payload,
        }
    }

    /// Appends these versions in one transaction, and commits it.
    pub async fn commit(&self, aggregate_id: Uuid, versions: impl IntoIterator<Item = i64>) {
        let events = versions
            .into_iter()
            .map(|version| self.event(aggregate_id, version))
            .collect();
        self.commit_events(events).await;
    }

    pub async fn commit_events(&self, events: Vec<NewEvent>) {
        let mut transaction = self.pool.begin().await.unwrap();
        append(&mut transaction, events).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Everything in the topic.
    pub async fn published(&self) -> Vec<Published> {
        published_in(settings().kafka_brokers(), &self.topic).await
    }

    /// Ends a relay as a crash does, and lets the time of its leases pass.
    pub async fn kill(&self, relay: Relay) {
        drop(relay);
        self.end_leases().await;
    }

    pub async fn end_leases(&self) {
        for statement in [
            "UPDATE outbox_shards SET expires_at = now()",
            "UPDATE outbox_relays SET expires_at = now()",
        ] {
            sqlx::query(statement).execute(&self.pool).await.unwrap();
        }
    }

    /// What is written of a shard: holder, epoch and position.
    pub async fn shard_row(&self, shard: i16) -> (Option<Uuid>, i64, String) {
        sqlx::query_as("SELECT holder, epoch, position::text FROM outbox_shards WHERE shard = $1")
            .bind(shard)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap()
}

/// An aggregate whose events are in the given shard.
pub fn aggregate_in(shard: i16) -> Uuid {
    std::iter::repeat_with(Uuid::now_v7)
        .find(|id| shard_of(*id) == shard)
        .unwrap()
}

pub async fn backend_xid(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Steps until a step does not find anything more, nor waits for anything.
pub async fn drain(relay: &mut Relay) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match relay.step().await.unwrap() {
            StepOutcome::Idle => return,
            StepOutcome::NotLeader | StepOutcome::Stopped { .. } | StepOutcome::InFlight { .. } => {
                relay.woken(Duration::from_millis(20)).await;
            }
            StepOutcome::Published { .. } => {}
        }
        assert!(
            Instant::now() < deadline,
            "the relay did not come to rest within {DEADLINE:?}"
        );
    }
}

/// Steps until `holds`.
pub async fn step_until(what: &str, relay: &mut Relay, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        let _ = relay.step().await.unwrap();
        relay.woken(Duration::from_millis(10)).await;
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
    }
}

/// A message as it lies in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub aggregate_id: Uuid,
    pub version: i64,
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
    pub timestamp: Option<i64>,
    pub partition: i32,
}

pub async fn published_in(brokers: &str, topic: &str) -> Vec<Published> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || read_all(&brokers, &topic))
        .await
        .unwrap()
}

/// Reads each partition up to its end, in the order of offsets.
fn read_all(brokers: &str, topic: &str) -> Vec<Published> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let partitions = metadata.topics()[0].partitions();
    let mut assignment = TopicPartitionList::new();
    let mut left: i64 = 0;
    let mut ends = BTreeMap::new();
    for partition in partitions {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition.id(), DEADLINE)
            .unwrap();
        assignment
            .add_partition_offset(topic, partition.id(), Offset::Beginning)
            .unwrap();
        ends.insert(partition.id(), high);
        left += high - low;
    }
    consumer.assign(&assignment).unwrap();
    let mut messages = Vec::new();
    let deadline = std::time::Instant::now() + DEADLINE;
    while left > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "{left} messages of {topic} were not read"
        );
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.unwrap();
        if message.offset() >= ends[&message.partition()] {
            continue;
        }
        left -= 1;
        messages.push(to_published(&message));
    }
    messages
}

fn to_published(message: &rdkafka::message::BorrowedMessage<'_>) -> Published {
    let headers: Vec<(String, String)> = message
        .headers()
        .unwrap()
        .iter()
        .map(|header| {
            let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
            (header.key.to_owned(), value)
        })
        .collect();
    let version = &headers
        .iter()
        .find(|(name, _)| name == "ce_aggregateversion")
        .unwrap()
        .1;
    Published {
        aggregate_id: Uuid::try_parse_ascii(message.key().unwrap()).unwrap(),
        version: version.parse().unwrap(),
        payload: message.payload().unwrap().to_vec(),
        timestamp: message.timestamp().to_millis(),
        partition: message.partition(),
        headers,
    }
}

/// The versions of an aggregate as they lie in Kafka, repeats included.
pub fn versions_of(published: &[Published], aggregate_id: Uuid) -> Vec<i64> {
    let of = published
        .iter()
        .filter(|message| message.aggregate_id == aggregate_id);
    of.map(|message| message.version).collect()
}

/// The first occurrence of each version, in order. Each repeat has to equal it.
pub fn first_occurrences(published: &[Published], aggregate_id: Uuid) -> Vec<i64> {
    let mut seen: Vec<&Published> = Vec::new();
    for message in published
        .iter()
        .filter(|message| message.aggregate_id == aggregate_id)
    {
        match seen.iter().find(|first| first.version == message.version) {
            Some(first) => assert_eq!(*first, message, "a repeat differs from the first occurrence"),
            None => seen.push(message),
        }
    }
    seen.iter().map(|message| message.version).collect()
}
