//! A topic of a test's own with its dead-letter topic, and what a test asks of them.

use std::time::Duration;

use anyhow::Result;
use depot_consumer::{ConsumerSettings, Record, header};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DefaultProducerContext, FutureProducer, FutureRecord, Producer as _, ThreadedProducer,
};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(30);

pub fn brokers() -> String {
    depot_test_stack::settings().kafka_brokers().to_owned()
}

/// `{prefix}.things.v1`, its dead letters, the group's redrive topic and, if wanted, two retry topics, deleted with the value.
pub struct Log {
    prefix: String,
    admin: AdminClient<DefaultClientContext>,
    producer: FutureProducer,
    with_retries: bool,
}

impl Log {
    pub async fn create(partitions: i32) -> Result<Self> {
        Self::create_with(partitions, false).await
    }

    /// With retry topics.
    pub async fn create_with_retries(partitions: i32) -> Result<Self> {
        Self::create_with(partitions, true).await
    }

    async fn create_with(partitions: i32, with_retries: bool) -> Result<Self> {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers()).create()?;
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .create()?;
        let log = Self {
            prefix: depot_test_stack::unique_name(),
            admin,
            producer,
            with_retries,
        };
        log.make_topics(partitions).await?;
        Ok(log)
    }

    async fn make_topics(&self, partitions: i32) -> Result<()> {
        let names = self.all_topics();
        let topics: Vec<_> = names
            .iter()
            // As the declared ones: records that say they are old would go with the broker's next look for such.
            .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1"))
            .collect();
        let options = AdminOptions::new()
            .operation_timeout(Some(TIMEOUT))
            .request_timeout(Some(TIMEOUT));
        for created in self.admin.create_topics(&topics, &options).await? {
            created.map_err(|(topic, code)| anyhow::anyhow!("create {topic}: {code}"))?;
        }
        depot_test_stack::wait_until_led(&brokers(), &names, partitions).await;
        Ok(())
    }

    pub fn topic(&self) -> String {
        format!("{}.things.v1", self.prefix)
    }

    pub fn dead_letter_topic(&self) -> String {
        format!("{}.things.dlq.v1", self.prefix)
    }

    pub fn redrive_topic(&self) -> String {
        format!("{}.group.retry.v1", self.prefix)
    }

    pub fn retry_topics(&self) -> [String; 2] {
        ["1", "2"].map(|tier| format!("{}.things.retry.{tier}.v1", self.prefix))
    }

    fn all_topics(&self) -> Vec<String> {
        let mut topics = vec![self.topic(), self.dead_letter_topic(), self.redrive_topic()];
        if self.with_retries {
            topics.extend(self.retry_topics());
        }
        topics
    }

    pub fn group(&self) -> String {
        format!("{}.group", self.prefix)
    }

    /// Short delays, so that a test need not wait for the ordinary ones.
    pub fn settings(&self) -> ConsumerSettings {
        let mut settings = ConsumerSettings::new(brokers(), self.group(), [self.topic()]);
        settings.commit_interval = Duration::from_millis(50);
        settings.backoff_initial = Duration::from_millis(10);
        settings.backoff_max = Duration::from_millis(100);
        settings
    }

    /// Appends one record and returns its offset.
    pub async fn put(&self, partition: i32, key: Option<&str>, value: &[u8]) -> i64 {
        let record = FutureRecord::<str, [u8]> {
            topic: &self.topic(),
            partition: Some(partition),
            payload: Some(value),
            key,
            timestamp: Some(1_700_000_000_123),
            headers: Some(OwnedHeaders::new().insert(rdkafka::message::Header {
                key: "ce_id",
                value: Some(&format!("id-{}", String::from_utf8_lossy(value))),
            })),
        };
        self.producer
            .send(record, TIMEOUT)
            .await
            .expect("append a record")
            .offset
    }

    /// Appends `count` records `"{first}"`, `"{first + 1}"` and so on, with `keys` keys in turn.
    pub async fn put_numbered(&self, partition: i32, first: usize, count: usize, keys: usize) {
        let reports: Vec<_> = (first..first + count)
            .map(|number| {
                let (topic, key, value) = (self.topic(), format!("k{}", number % keys), number.to_string());
                let record = FutureRecord::to(&topic)
                    .partition(partition)
                    .key(&key)
                    .payload(&value);
                self.producer.send_result(record).expect("queue a record")
            })
            .collect();
        for report in reports {
            report.await.expect("producer lives").expect("append a record");
        }
    }

    /// Sends a letter to the redrive topic, with all that it carries.
    pub async fn bring_back(&self, letter: &Record) {
        self.copy_into(&self.redrive_topic(), letter).await;
    }

    /// Puts a record of nobody's into a topic.
    pub async fn put_into(&self, topic: &str, key: &str, value: &str) {
        let record = Record {
            key: Some(key.as_bytes().to_vec()),
            payload: Some(value.as_bytes().to_vec()),
            ..Record::default()
        };
        self.copy_into(topic, &record).await;
    }

    /// A copy of what lies at `offset` of partition 0, as the retry topics hold it, with more headers.
    pub async fn put_copy(&self, tier: usize, offset: i64, key: &str, value: &str, more: &[(&str, &str)]) {
        let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
        let mut headers = vec![
            header(header::ORIGINAL_TOPIC, self.topic().as_bytes()),
            header(header::ORIGINAL_PARTITION, &0_i32.to_be_bytes()),
            header(header::ORIGINAL_OFFSET, &offset.to_be_bytes()),
        ];
        headers.extend(more.iter().map(|(name, value)| header(name, value.as_bytes())));
        let record = Record {
            key: Some(key.as_bytes().to_vec()),
            payload: Some(value.as_bytes().to_vec()),
            headers,
            ..Record::default()
        };
        self.copy_into(&self.retry_topics()[tier], &record).await;
    }

    async fn copy_into(&self, topic: &str, letter: &Record) {
        let headers = letter
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(rdkafka::message::Header {
                    key,
                    value: value.as_deref(),
                })
            });
        let record = FutureRecord::<[u8], [u8]> {
            topic,
            partition: Some(letter.partition),
            payload: letter.payload.as_deref(),
            key: letter.key.as_deref(),
            timestamp: letter.timestamp_ms,
            headers: Some(headers),
        };
        self.producer.send(record, TIMEOUT).await.expect("append a copy");
    }

    /// The group's committed offset.
    pub async fn committed(&self, partition: i32) -> Option<i64> {
        self.committed_of(&self.topic(), partition).await
    }

    /// The group's committed offset of another topic.
    pub async fn committed_of(&self, topic: &str, partition: i32) -> Option<i64> {
        let (group, topic) = (self.group(), topic.to_owned());
        blocking(move || {
            let mut asked = TopicPartitionList::new();
            asked.add_partition(&topic, partition);
            let found = reader(&group)
                .committed_offsets(asked, TIMEOUT)
                .expect("ask for committed offsets");
            match found
                .find_partition(&topic, partition)
                .expect("the partition asked for")
                .offset()
            {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        })
        .await
    }

    /// Commits an offset as a member of the (empty) group would.
    pub async fn commit(&self, partition: i32, offset: i64) {
        let (group, topic) = (self.group(), self.topic());
        blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(offset))
                .expect("an offset");
            reader(&group).commit(&list, CommitMode::Sync).expect("commit");
        })
        .await;
    }

    /// Deletes the records of a partition that are older than `offset`, as a topic's retention does.
    pub async fn delete_before(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic(), partition, Offset::Offset(offset))
            .expect("an offset");
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let deleted = self.admin.delete_records(&list, &options).await;
        for element in deleted.expect("delete records").elements() {
            element.error().expect("records of this partition are deleted");
        }
    }

    /// Whether the group has passed all of partition 0 of the source and of the retry topics.
    pub async fn is_passed(&self) -> bool {
        let [first, second] = self.retry_topics();
        for topic in [self.topic(), first, second] {
            let committed = self.committed_of(&topic, 0).await;
            if committed.unwrap_or(0) < self.size_of(&topic).await {
                return false;
            }
        }
        true
    }

    /// The end of partition 0 of a topic.
    pub async fn size_of(&self, topic: &str) -> i64 {
        let (group, topic) = (format!("{}.reader", self.prefix), topic.to_owned());
        blocking(move || {
            let (_low, high) = reader(&group)
                .fetch_watermarks(&topic, 0, TIMEOUT)
                .expect("watermarks");
            high
        })
        .await
    }

    /// Everything in one partition of the dead-letter topic.
    pub async fn letters(&self, partition: i32) -> Vec<Record> {
        self.records_of(&self.dead_letter_topic(), partition).await
    }

    /// Everything in one partition of a topic.
    pub async fn records_of(&self, topic: &str, partition: i32) -> Vec<Record> {
        let (group, topic) = (format!("{}.reader", self.prefix), topic.to_owned());
        blocking(move || {
            let consumer = reader(&group);
            let (low, high) = consumer
                .fetch_watermarks(&topic, partition, TIMEOUT)
                .expect("watermarks");
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(low))
                .expect("an offset");
            consumer.assign(&list).expect("assign");
            let mut letters: Vec<Record> = Vec::new();
            while letters.last().map_or(low, |letter| letter.offset + 1) < high {
                let message = consumer
                    .poll(TIMEOUT)
                    .expect("a dead letter within the time")
                    .expect("a record");
                letters.push(owned(&message));
            }
            letters
        })
        .await
    }

    /// One committed and one aborted transaction, which leave control records (and aborted data) in the log.
    pub async fn put_transactions(&self, partition: i32, committed: &[&str], aborted: &[&str]) {
        let (topic, id) = (self.topic(), format!("{}.tx", self.prefix));
        let (committed, aborted) = (strings(committed), strings(aborted));
        blocking(move || {
            let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
                .set("bootstrap.servers", brokers())
                .set("transactional.id", id)
                .create()
                .expect("a transactional producer");
            producer.init_transactions(TIMEOUT).expect("init transactions");
            let send = |values: &[String]| {
                producer.begin_transaction().expect("begin");
                for value in values {
                    let record = BaseRecord::to(&topic)
                        .partition(partition)
                        .key("k")
                        .payload(value);
                    producer.send(record).map_err(|(error, _)| error).expect("queue");
                }
                producer.flush(TIMEOUT).expect("flush");
            };
            send(&aborted);
            producer.abort_transaction(TIMEOUT).expect("abort");
            send(&committed);
            producer.commit_transaction(TIMEOUT).expect("commit");
        })
        .await;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let names = self.all_topics();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let deleted = self
            .admin
            .delete_topics(&names, &AdminOptions::new().request_timeout(Some(TIMEOUT)));
        if let Err(error) = futures::executor::block_on(deleted) {
            eprintln!("topics of {} are left behind: {error}", self.prefix);
        }
    }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// A client that belongs to the group by name only.
fn reader(group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("blocking work")
}

fn owned(message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic: message.topic().into(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        }),
        ..Record::default()
    }
}
