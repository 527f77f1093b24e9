use std::{collections::BTreeMap, time::Duration};

use depot_consumer::{Consumer, ConsumerSettings, DeadLetters, ParkedKeys, RetryTier, RetryTopics, header};
use depot_schemas::Entity;
use depot_service::database::Pool;
use depot_test_stack::{ServiceRole, TestDatabase, TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::RDKafkaErrorCode,
    message::{BorrowedHeaders, Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use tokio_util::sync::CancellationToken;
use uploader::ParkedUploads;

use super::story::{Story, Texts};

pub const LIMIT: Duration = Duration::from_secs(30);

/// Topics and a table of the test's own.
pub struct World {
    pub topics: TestTopics,
    pub pool: Pool,
    producer: FutureProducer,
    _database: TestDatabase,
}

pub struct Member {
    pub consumer: Consumer,
    pub stop: CancellationToken,
}

impl Member {
    pub async fn stop(self) {
        self.stop.cancel();
        self.consumer.join().await.unwrap();
    }
}

impl World {
    pub async fn new(partitions: i32) -> Self {
        let database = TestDatabase::create().await.unwrap();
        Self {
            topics: TestTopics::create(partitions).await.unwrap(),
            pool: database.pool(ServiceRole::Uploader).await.into(),
            producer: client().create().unwrap(),
            _database: database,
        }
    }

    pub fn source(&self) -> String {
        self.topics.names().events(Entity::Uploads)
    }

    pub fn group(&self) -> String {
        self.topics.names().group("uploader")
    }

    pub fn member(&self, story: &Story) -> Member {
        self.member_with(story, ParkedUploads(self.pool.clone()))
    }

    pub fn member_with<P: ParkedKeys>(&self, story: &Story, parked: P) -> Member {
        let mut settings = ConsumerSettings::new(settings().kafka_brokers(), self.group(), [self.source()]);
        settings.commit_interval = Duration::from_millis(50);
        settings.backoff_initial = Duration::from_millis(10);
        settings.drain_deadline = Duration::from_millis(500);
        settings.revoke_grace = Duration::from_millis(500);
        let tiers = self.topics.names().retries().into_iter();
        let tiers = tiers.map(|topic| RetryTier {
            topic,
            delay: Duration::from_millis(300),
        });
        let retries = RetryTopics {
            tiers: tiers.collect(),
            parked,
        };
        let letters = DeadLetters::new(&settings.brokers, &[]).unwrap();
        let stop = CancellationToken::new();
        let handler = Texts(story.clone());
        let consumer =
            Consumer::start_keyed_with_retries(settings, handler, retries, letters, stop.clone()).unwrap();
        Member { consumer, stop }
    }

    pub async fn put(
        &self,
        topic: &str,
        partition: i32,
        key: &str,
        value: &str,
        headers: OwnedHeaders,
    ) -> i64 {
        let record = FutureRecord::to(topic)
            .partition(partition)
            .key(key)
            .payload(value);
        let sent = self.producer.send(record.headers(headers), LIMIT).await;
        sent.unwrap().offset
    }

    pub async fn tell(&self, key: &str, value: &str) -> i64 {
        self.put(&self.source(), 0, key, value, OwnedHeaders::new()).await
    }

    /// A copy of what lies at `offset` of the source, as the retry topics hold it.
    pub async fn put_copy(&self, tier: usize, offset: i64, key: &str, value: &str, more: OwnedHeaders) {
        let bytes = |name, value: &[u8]| (name, value.to_vec());
        let origin = [
            bytes(header::ORIGINAL_TOPIC, self.source().as_bytes()),
            bytes(header::ORIGINAL_PARTITION, &0_i32.to_be_bytes()),
            bytes(header::ORIGINAL_OFFSET, &offset.to_be_bytes()),
        ];
        let headers = origin.iter().fold(more, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        let topic = self.topics.names().retries()[tier].clone();
        self.put(&topic, 0, key, value, headers).await;
    }

    pub async fn parked(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM uploader.parked_keys")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub async fn park_by_hand(&self, key: &str, offset: i64, tier: i16) {
        sqlx::query(
            "INSERT INTO uploader.parked_keys (consumer_group, key, topic, partition, \"offset\", tier, not_before)
             VALUES ($1, $2, $3, 0, $4, $5, now())",
        )
        .bind(self.group())
        .bind(key.as_bytes())
        .bind(self.source())
        .bind(offset)
        .bind(tier)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Sets the committed offset of the group, once it has no members: one that was stopped leaves without waiting for the
    /// broker to have heard it, and until then nobody else may commit.
    pub async fn commit(&self, topic: &str, offset: i64) {
        wait_until("the group has no members, and takes the offset", || async {
            let (group, topic) = (self.group(), topic.to_owned());
            let commit = move || {
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(&topic, 0, Offset::Offset(offset))
                    .unwrap();
                let consumer: BaseConsumer = client().set("group.id", group).create().unwrap();
                consumer.commit(&list, CommitMode::Sync)
            };
            match tokio::task::spawn_blocking(commit).await.unwrap() {
                Ok(()) => true,
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownMemberId) => false,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }

    /// Until the group has passed everything in the source and the retry topics, and nothing waits. The offsets are looked at
    /// first: what is passed in the source is handled or has its row by then, and a row's copy may move from a late tier to an
    /// early one while the topics are asked one after the other.
    pub async fn settled(&self) {
        wait_until("all is passed and nothing waits", || async {
            self.lag().await == 0 && self.parked().await == 0
        })
        .await;
    }

    pub async fn lag(&self) -> i64 {
        let (group, names) = (self.group(), self.topics.names());
        let topics: Vec<String> = [self.source()].into_iter().chain(names.retries()).collect();
        let ask = move || {
            let consumer: BaseConsumer = client().set("group.id", group).create().unwrap();
            let mut lag = 0;
            for topic in topics {
                let metadata = consumer.fetch_metadata(Some(&topic), LIMIT).unwrap();
                for partition in metadata.topics()[0].partitions() {
                    let (_, high) = consumer.fetch_watermarks(&topic, partition.id(), LIMIT).unwrap();
                    let mut list = TopicPartitionList::new();
                    list.add_partition(&topic, partition.id());
                    let committed = consumer.committed_offsets(list, LIMIT).unwrap();
                    lag += match committed.elements()[0].offset() {
                        Offset::Offset(offset) => high - offset,
                        _ => high,
                    };
                }
            }
            lag
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    pub async fn letters(&self) -> Vec<OwnedMessage> {
        let topic = self.topics.names().dead_letters(Entity::Uploads);
        let read = move || {
            let consumer: BaseConsumer = client().set("group.id", "reader").create().unwrap();
            let (low, high) = consumer.fetch_watermarks(&topic, 0, LIMIT).unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, 0, Offset::Offset(low)).unwrap();
            consumer.assign(&list).unwrap();
            let mut letters = Vec::new();
            while (letters.len() as i64) < high - low {
                letters.push(consumer.poll(LIMIT).unwrap().unwrap().detach());
            }
            letters
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }
}

fn client() -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", settings().kafka_brokers())
        .set("enable.auto.commit", "false");
    client
}

pub fn texts(message: &OwnedMessage) -> BTreeMap<String, Vec<u8>> {
    let headers = message.headers().map(|headers| headers.as_borrowed());
    let headers = headers.into_iter().flat_map(BorrowedHeaders::iter);
    headers
        .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
        .collect()
}
