//! A projector that runs as a whole on topics of its own, and what a test sends to and asks of it.

use std::time::Duration;

use depot_consumer::header as dead_letter;
use depot_schemas::{Entity, Event, topics::Topics};
use depot_service::{
    config::{DatabaseConfig, JwtConfig, KafkaConfig, ProcessConfig, RedisConfig, TelemetryConfig},
    shutdown::{DrainError, DrainPolicy, Shutdown},
};
use depot_test_stack::{ServiceRole, TestTopics, settings, wait_until};
use projector::{Application, CacheConfig, Config, HistoryConfig};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio::task::JoinHandle;

use crate::fixture::Fixture;

pub struct Pipeline {
    pub fixture: Fixture,
    pub topics: TestTopics,
    pub producer: FutureProducer,
}

/// A projector that runs.
pub struct Running {
    pub shutdown: Shutdown,
    pub readiness: depot_service::health::Readiness,
    pub ended: JoinHandle<Result<(), DrainError>>,
}

impl Running {
    pub async fn stop(self) {
        self.shutdown.request();
        self.ended.await.unwrap().unwrap();
    }

    pub async fn waiting_for(&self) -> String {
        let report = self.readiness.report().await;
        report
            .waiting_for
            .iter()
            .map(|waiting| format!("{}: {}; ", waiting.name, waiting.reason))
            .collect()
    }
}

impl Pipeline {
    pub async fn new(partitions: i32) -> Self {
        let (fixture, topics) = (
            Fixture::new().await,
            TestTopics::create(partitions).await.unwrap(),
        );
        let producer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("partitioner", "murmur2_random")
            .create()
            .unwrap();
        Self {
            fixture,
            topics,
            producer,
        }
    }

    pub fn names(&self) -> Topics {
        self.topics.names()
    }

    pub fn config(&self) -> Config {
        let drain = DrainPolicy {
            notice: Duration::ZERO,
            deadline: Duration::from_secs(30),
        };
        Config {
            process: ProcessConfig {
                drain,
                ..ProcessConfig::default()
            },
            database: DatabaseConfig::for_url(&self.fixture.database.url(ServiceRole::Projector), "read"),
            kafka: KafkaConfig {
                topic_partitions: self.topics.partitions().parse().ok(),
                ..KafkaConfig::plaintext(settings().kafka_brokers(), self.topics.prefix())
            },
            redis: RedisConfig::new(settings().redis_addr(), &self.fixture.redis.key_prefix),
            jwt: JwtConfig::for_secret(settings().get("JWT_SECRET")),
            telemetry: TelemetryConfig {
                app_env: depot_service::config::AppEnv::Test,
                log_level: "info".to_owned(),
                otlp_endpoint: None,
                sample_ratio: 1.0,
            },
            cache: CacheConfig::default(),
            history: HistoryConfig::default(),
            batch_records: 50,
            lanes: 2,
        }
    }

    pub async fn start(&self) -> Running {
        let shutdown = Shutdown::new();
        let application = Application::build(self.config(), shutdown.clone()).await.unwrap();
        let readiness = application.readiness();
        Running {
            shutdown,
            readiness,
            ended: tokio::spawn(application.run_until_stopped()),
        }
    }

    pub async fn send(&self, event: &Event) {
        self.send_raw(
            event,
            Some(event.envelope.subject.to_string()),
            &event.payload().unwrap(),
            &[],
        )
        .await;
    }

    /// Sends an event's headers with another key or value, or with some of the headers replaced.
    pub async fn send_raw(
        &self,
        event: &Event,
        key: Option<String>,
        payload: &[u8],
        replaced: &[(&str, &str)],
    ) {
        let topic = self.names().events(event.envelope.event_type.entity());
        let mut headers = OwnedHeaders::new();
        for (name, value) in event.envelope.headers() {
            let value = replaced
                .iter()
                .find(|(other, _)| *other == name)
                .map_or(value.as_str(), |(_, value)| value);
            headers = headers.insert(Header {
                key: name,
                value: Some(value),
            });
        }
        let mut record = FutureRecord::<String, [u8]>::to(&topic)
            .payload(payload)
            .headers(headers)
            .partition(0);
        if let Some(key) = &key {
            record = record.key(key);
        }
        self.producer.send(record, Duration::from_secs(30)).await.unwrap();
    }

    /// Sends an event to the projector's redrive topic, as one that was given up at `offset` of its source and is
    /// brought back.
    pub async fn bring_back(&self, event: &Event, offset: i64) {
        let names = self.names();
        let source = names.events(event.envelope.event_type.entity());
        let (topic, group) = (names.redriven("projector"), names.group("projector"));
        let (partition, offset) = (0_i32.to_be_bytes(), offset.to_be_bytes());
        let mut headers: Vec<(&str, Vec<u8>)> = vec![
            (dead_letter::ORIGINAL_TOPIC, source.into_bytes()),
            (dead_letter::ORIGINAL_PARTITION, partition.to_vec()),
            (dead_letter::ORIGINAL_OFFSET, offset.to_vec()),
            (dead_letter::ORIGINAL_CONSUMER_GROUP, group.into_bytes()),
            (dead_letter::REASON_CLASS, b"refused_by_database".to_vec()),
            (dead_letter::ATTEMPTS, b"1".to_vec()),
        ];
        let envelope = event.envelope.headers();
        headers.extend(
            envelope
                .iter()
                .map(|(name, value)| (*name, value.clone().into_bytes())),
        );
        let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header {
                key,
                value: Some(value),
            })
        });
        let (key, payload) = (event.envelope.subject.to_string(), event.payload().unwrap());
        let record = FutureRecord::to(&topic)
            .key(&key)
            .payload(&payload)
            .headers(headers)
            .partition(0);
        self.producer.send(record, Duration::from_secs(30)).await.unwrap();
    }

    pub async fn send_all(&self, events: &[Event]) {
        let topic = self.names().events(Entity::Items);
        let sends =
            events.iter().map(|event| async {
                let headers = event.envelope.headers().into_iter().fold(
                    OwnedHeaders::new(),
                    |headers, (key, value)| {
                        headers.insert(Header {
                            key,
                            value: Some(&value),
                        })
                    },
                );
                let (key, payload) = (event.envelope.subject.to_string(), event.payload().unwrap());
                let record = FutureRecord::to(&topic)
                    .key(&key)
                    .payload(&payload)
                    .headers(headers);
                self.producer.send(record, Duration::from_secs(30)).await.unwrap();
            });
        futures::future::join_all(sends).await;
    }

    pub async fn wait_for_version(&self, id: uuid::Uuid, version: i64) {
        wait_until("the version is in the view", || async {
            let found: Option<i64> = sqlx::query_scalar("SELECT version FROM read.items WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.fixture.pool)
                .await
                .unwrap();
            found == Some(version)
        })
        .await;
    }

    /// (reason class, group, payload) of every dead letter of a one-partition topic.
    pub fn dead_letters(&self, entity: Entity, wanted: usize) -> Vec<(String, String, Vec<u8>)> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("group.id", "reads without a group")
            .create()
            .unwrap();
        let mut partition = TopicPartitionList::new();
        let topic = self.names().dead_letters(entity);
        partition
            .add_partition_offset(&topic, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&partition).unwrap();
        let mut letters = Vec::new();
        while letters.len() < wanted {
            let message = consumer
                .poll(Duration::from_secs(30))
                .expect("another dead letter")
                .unwrap();
            let header = |name: &str| {
                let headers = message.headers().unwrap();
                let found = headers.iter().find(|header| header.key == name).unwrap();
                String::from_utf8(found.value.unwrap().to_vec()).unwrap()
            };
            let payload = message.payload().unwrap_or_default().to_vec();
            letters.push((
                header(dead_letter::REASON_CLASS),
                header(dead_letter::ORIGINAL_CONSUMER_GROUP),
                payload,
            ));
        }
        letters
    }
}
