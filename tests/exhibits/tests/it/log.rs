//! A topic of an exhibit's own, of one partition, so that the order of all its messages is one.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{FutureProducer, FutureRecord},
};

const TIMEOUT: Duration = Duration::from_secs(60);
const PARTITION: i32 = 0;

pub fn brokers() -> &'static str {
    depot_test_stack::settings().kafka_brokers()
}

/// The topic and its dead letters', deleted with the value.
pub struct Log {
    topic: String,
    dead_letters: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Log {
    pub async fn create() -> Self {
        let log = Self::named();
        log.make_topics().await;
        log
    }

    /// Only the name, so far.
    pub fn named() -> Self {
        let prefix = depot_test_stack::unique_name();
        Self {
            topic: format!("{prefix}.items.v1"),
            dead_letters: format!("{prefix}.items.dlq.v1"),
            admin: ClientConfig::new()
                .set("bootstrap.servers", brokers())
                .create()
                .unwrap(),
        }
    }

    pub async fn make_topics(&self) {
        let names = [self.topic.clone(), self.dead_letters.clone()];
        let topics = names
            .iter()
            .map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)))
            .collect::<Vec<_>>();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let created = self.admin.create_topics(&topics, &options).await.unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        depot_test_stack::wait_until_led(brokers(), &names, 1).await;
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends a message, and says whether Kafka has acknowledged it within the time. The client is one for this message alone.
    pub async fn send_within(&self, limit: Duration, text: &str) -> bool {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", limit.as_millis().to_string())
            .create()
            .unwrap();
        let record = FutureRecord::to(&self.topic).key("item").payload(text);
        producer.send(record, TIMEOUT).await.is_ok()
    }

    /// Sends a message, which Kafka acknowledges.
    pub async fn send(&self, text: &str) {
        assert!(self.send_within(TIMEOUT, text).await);
    }

    /// Everything in the topic, in its order.
    pub async fn texts(&self) -> Vec<String> {
        let topic = self.topic.clone();
        blocking(move || read(&topic, "nobody", 0)).await
    }

    /// What a group has not committed yet.
    pub async fn unread_by(&self, group: &str) -> Vec<String> {
        let (topic, group) = (self.topic.clone(), group.to_owned());
        blocking(move || read(&topic, &group, committed(&topic, &group))).await
    }

    /// The next offset of a group.
    pub async fn committed(&self, group: &str) -> i64 {
        let (topic, group) = (self.topic.clone(), group.to_owned());
        blocking(move || committed(&topic, &group)).await
    }

    pub async fn commit(&self, group: &str, offset: i64) {
        let (topic, group) = (self.topic.clone(), group.to_owned());
        blocking(move || {
            let list = at(&topic, Offset::Offset(offset));
            client(&group).commit(&list, CommitMode::Sync).unwrap();
        })
        .await;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let names = [self.topic.as_str(), self.dead_letters.as_str()];
        // The admin client works on a thread of its own, so that waiting here is enough.
        let deleted = self
            .admin
            .delete_topics(&names, &AdminOptions::new().request_timeout(Some(TIMEOUT)));
        if let Err(error) = futures::executor::block_on(deleted) {
            eprintln!("{} is left behind: {error}", self.topic);
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A client that belongs to the group by name only.
fn client(group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .unwrap()
}

fn at(topic: &str, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, PARTITION, offset).unwrap();
    list
}

fn committed(topic: &str, group: &str) -> i64 {
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, PARTITION);
    let found = client(group).committed_offsets(asked, TIMEOUT).unwrap();
    match found.find_partition(topic, PARTITION).unwrap().offset() {
        Offset::Offset(offset) => offset,
        _ => 0,
    }
}

/// What lies in the topic from an offset on, up to its end.
fn read(topic: &str, group: &str, from: i64) -> Vec<String> {
    let consumer = client(group);
    let (_, end) = consumer.fetch_watermarks(topic, PARTITION, TIMEOUT).unwrap();
    consumer.assign(&at(topic, Offset::Offset(from))).unwrap();
    let mut texts = Vec::new();
    let mut next = from;
    while next < end {
        let message = consumer
            .poll(TIMEOUT)
            .expect("a message within the time")
            .unwrap();
        texts.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        next = message.offset() + 1;
    }
    texts
}
