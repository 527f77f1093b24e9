//! What Depot takes for granted of the broker, proved with the client that it uses.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use depot_schemas::Entity;
use depot_test_stack::{TestTopics, settings, unique_name};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
    util::Timeout,
};

const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Timeout = Timeout::After(Duration::from_millis(50));
const PARTITIONS: i32 = 6;

async fn topic() -> (TestTopics, String) {
    let topics = TestTopics::create(PARTITIONS).await.unwrap();
    let name = topics.names().events(Entity::Items);
    (topics, name)
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", settings().kafka_brokers());
    config
}

fn idempotent_producer() -> BaseProducer {
    client()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .create()
        .unwrap()
}

/// Reads the topic from its start.
fn reader(topic: &str) -> BaseConsumer {
    member(topic, &unique_name())
}

/// A member of a KIP-848 group: the broker deals the partitions.
fn member(topic: &str, group: &str) -> BaseConsumer {
    let consumer: BaseConsumer = client()
        .set("group.id", group)
        .set("group.protocol", "consumer")
        .set("group.remote.assignor", "uniform")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

fn produce(producer: &BaseProducer, topic: &str, values: impl IntoIterator<Item = u32>) {
    for value in values {
        let value = value.to_string();
        producer
            .send(BaseRecord::to(topic).key(&value).payload(&value))
            .map_err(|(error, _)| error)
            .unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(DEADLINE).unwrap();
}

/// What one poll brings, if it brings a record.
fn polled(consumer: &BaseConsumer) -> Option<u32> {
    let record = consumer.poll(POLL)?.unwrap();
    let value = std::str::from_utf8(record.payload().unwrap()).unwrap();
    assert_eq!(record.key(), record.payload(), "a record keeps its key");
    Some(value.parse().unwrap())
}

fn partitions(consumer: &BaseConsumer) -> BTreeSet<i32> {
    consumer
        .assignment()
        .unwrap()
        .elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}

/// Polls all consumers in turn, since a member lives by being polled, until `done` says so of what has been read.
fn poll_until(
    what: &str,
    consumers: &[&BaseConsumer],
    read: &mut Vec<u32>,
    done: impl Fn(&[&BaseConsumer], &[u32]) -> bool,
) {
    let deadline = Instant::now() + DEADLINE;
    while !done(consumers, read) {
        assert!(
            Instant::now() < deadline,
            "not within {DEADLINE:?}: {what}; read {} records",
            read.len()
        );
        read.extend(consumers.iter().filter_map(|consumer| polled(consumer)));
    }
}

fn sorted(mut values: Vec<u32>) -> Vec<u32> {
    values.sort_unstable();
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_idempotent_producer_sends_is_read_back_once() {
    let (_topics, topic) = topic().await;
    produce(&idempotent_producer(), &topic, 0..1_000);

    let mut read = Vec::new();
    poll_until("1,000 records", &[&reader(&topic)], &mut read, |_, read| {
        read.len() >= 1_000
    });
    assert_eq!(sorted(read), Vec::from_iter(0..1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_of_a_group_share_the_partitions_and_the_one_that_stays_takes_over() {
    let (_topics, topic) = topic().await;
    let group = unique_name();
    let producer = idempotent_producer();
    let all: BTreeSet<i32> = (0..PARTITIONS).collect();
    let mut read = Vec::new();

    let stays = member(&topic, &group);
    poll_until(
        "the first member has all partitions",
        &[&stays],
        &mut read,
        |members, _| partitions(members[0]) == all,
    );
    let leaves = member(&topic, &group);
    poll_until(
        "each member has half of them",
        &[&stays, &leaves],
        &mut read,
        |members, _| {
            let (one, other) = (partitions(members[0]), partitions(members[1]));
            one.len() == 3 && other.len() == 3 && &one | &other == all
        },
    );

    produce(&producer, &topic, 0..300);
    poll_until(
        "what was sent to both",
        &[&stays, &leaves],
        &mut read,
        |_, read| read.len() >= 300,
    );
    // Leaving commits what it has read.
    drop(leaves);
    poll_until(
        "the member that stayed has all again",
        &[&stays],
        &mut read,
        |members, _| partitions(members[0]) == all,
    );

    produce(&producer, &topic, 300..600);
    poll_until("what was sent to the one", &[&stays], &mut read, |_, read| {
        read.len() >= 600
    });
    assert_eq!(
        sorted(read),
        Vec::from_iter(0..600),
        "nothing lost, nothing twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_committed_records_never_sees_an_aborted_transaction() {
    let (_topics, topic) = topic().await;
    let producer: BaseProducer = client().set("transactional.id", unique_name()).create().unwrap();
    producer.init_transactions(DEADLINE).unwrap();

    producer.begin_transaction().unwrap();
    produce(&producer, &topic, 0..100);
    producer.abort_transaction(DEADLINE).unwrap();
    producer.begin_transaction().unwrap();
    produce(&producer, &topic, 100..200);
    producer.commit_transaction(DEADLINE).unwrap();

    let mut read = Vec::new();
    poll_until(
        "the committed records",
        &[&reader(&topic)],
        &mut read,
        |_, read| read.len() >= 100,
    );
    assert_eq!(sorted(read), Vec::from_iter(100..200));
}
