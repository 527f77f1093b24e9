//! An uploader that runs as a whole on topics of its own, and what a test sends to and asks of it.

use std::{net::SocketAddr, time::Duration};

use depot_domain::{CommandId, VersionToken};
use depot_schemas::{
    Entity, Envelope, Event, EventData, EventType, FileOutcome, FileState, UploadData, UploadState, decode,
    topics::Topics,
};
use depot_service::{
    config::{AppEnv, DatabaseConfig, JwtConfig, KafkaConfig, ProcessConfig, S3Config, TelemetryConfig},
    health::Readiness,
    shutdown::{DrainError, Shutdown},
};
use depot_test_stack::{Gate, ServiceRole, TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use secrecy::SecretString;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use uploader::{Application, Config, SweepConfig, ThumbnailLimits};

use crate::scene::Scene;

pub const SECRET: &str = "a secret of the tests, which is long enough";
const LIMIT: Duration = Duration::from_secs(30);

pub struct Pipeline {
    pub scene: Scene,
    pub topics: TestTopics,
    pub gate: Gate,
    pub producer: FutureProducer,
}

pub struct Running {
    pub shutdown: Shutdown,
    pub readiness: Readiness,
    pub admin_address: SocketAddr,
    pub ended: JoinHandle<Result<(), DrainError>>,
}

impl Running {
    pub async fn ready(&self) {
        wait_until("the uploader is ready", || async {
            self.readiness.report().await.ready
        })
        .await;
    }

    pub async fn stop(self) {
        self.shutdown.request();
        self.ended.await.unwrap().unwrap();
    }
}

impl Pipeline {
    pub async fn new() -> Self {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", settings().kafka_brokers());
        Self {
            scene: Scene::set().await,
            topics: TestTopics::create(1).await.unwrap(),
            gate: Gate::to(settings().get("MINIO_ENDPOINT")).await,
            producer: client.create().unwrap(),
        }
    }

    pub fn names(&self) -> Topics {
        self.topics.names()
    }

    pub fn config(&self) -> Config {
        let files = &self.scene.files;
        Config {
            process: ProcessConfig::default(),
            database: DatabaseConfig::for_url(&self.scene.database.url(ServiceRole::Uploader), "uploader"),
            kafka: KafkaConfig {
                topic_partitions: self.topics.partitions().parse().ok(),
                ..KafkaConfig::plaintext(settings().kafka_brokers(), self.topics.prefix())
            },
            s3: S3Config {
                endpoint: self.gate.endpoint.clone(),
                public_endpoint: self.gate.endpoint.clone(),
                access_key: settings().get("STACK_MINIO_ACCESS_KEY").to_owned(),
                secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
                bucket: files.bucket.clone(),
                staging_bucket: files.staging.clone(),
                region: "us-east-1".to_owned(),
                authorities: None,
            },
            jwt: JwtConfig::for_secret(SECRET),
            telemetry: TelemetryConfig {
                app_env: AppEnv::Test,
                log_level: "info".to_owned(),
                otlp_endpoint: None,
                sample_ratio: 1.0,
            },
            concurrency: 4,
            retry_delays: [Duration::from_secs(1); 3],
            sweep: SweepConfig {
                interval: Duration::from_secs(300),
                grace: Duration::from_secs(7_200),
            },
            scanner: None,
            thumbnails: ThumbnailLimits::default(),
        }
    }

    pub async fn start(&self) -> Running {
        self.start_with(|_| {}).await
    }

    pub async fn start_with(&self, change: impl FnOnce(&mut Config)) -> Running {
        let (shutdown, mut config) = (Shutdown::new(), self.config());
        change(&mut config);
        let application = Application::build(config, shutdown.clone()).await.unwrap();
        Running {
            shutdown,
            readiness: application.readiness(),
            admin_address: application.admin_address(),
            ended: tokio::spawn(application.run_until_stopped()),
        }
    }

    pub async fn send(&self, event_type: EventType, upload: &UploadState) {
        self.send_raw(event_type, upload, &[], None).await;
    }

    /// Sends an event with some headers or the value replaced.
    pub async fn send_raw(
        &self,
        event_type: EventType,
        upload: &UploadState,
        replaced: &[(&str, &str)],
        payload: Option<&[u8]>,
    ) {
        let version = VersionToken::new(0, upload.version);
        let (cause, now) = (CommandId::generate(), OffsetDateTime::now_utc());
        let event = Event {
            envelope: Envelope::new(event_type, upload.id, version, cause, now),
            data: EventData::Upload(UploadData {
                upload: upload.clone(),
                changed: Vec::new(),
                actor: "alice".to_owned(),
            }),
        };
        let mut headers = OwnedHeaders::new();
        for (key, value) in event.envelope.headers() {
            let replaced = replaced.iter().find(|(name, _)| *name == key);
            let value = Some(replaced.map_or(value.as_str(), |(_, value)| value));
            headers = headers.insert(Header { key, value });
        }
        let (topic, key) = (self.names().events(Entity::Uploads), upload.id.to_string());
        let value = event.payload().unwrap();
        let record = FutureRecord::to(&topic)
            .key(&key)
            .payload(payload.unwrap_or(&value))
            .headers(headers);
        self.producer.send(record, LIMIT).await.unwrap();
    }

    pub async fn facts(&self) -> Vec<FileState> {
        let read = read_all(self.names().events(Entity::Files)).await;
        read.iter().map(fact).collect()
    }

    pub async fn facts_of(&self, upload: &UploadState) -> Vec<FileOutcome> {
        let facts = self.facts().await.into_iter();
        facts
            .filter(|fact| fact.upload_id == upload.id)
            .map(|fact| fact.outcome)
            .collect()
    }

    pub async fn wait_for(&self, upload: &UploadState, outcomes: &[FileOutcome]) {
        wait_until("the facts are told", || async {
            self.facts_of(upload).await == outcomes
        })
        .await;
    }

    pub async fn dead_letters(&self) -> Vec<OwnedMessage> {
        read_all(self.names().dead_letters(Entity::Uploads)).await
    }
}

pub fn fact(message: &OwnedMessage) -> FileState {
    let event = decode(
        Entity::Files,
        message.key(),
        |name| header_of(message, name),
        message.payload(),
    );
    match event.unwrap().data {
        EventData::File(data) => data.file,
        other => panic!("{other:?}"),
    }
}

pub fn header_of<'a>(message: &'a OwnedMessage, name: &str) -> Option<&'a [u8]> {
    let headers = message.headers()?;
    headers
        .iter()
        .find(|header| header.key == name)
        .and_then(|header| header.value)
}

/// Everything that a topic of one partition holds now.
pub async fn read_all(topic: String) -> Vec<OwnedMessage> {
    let read = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("group.id", "reads only")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let (low, high) = consumer.fetch_watermarks(&topic, 0, LIMIT).unwrap();
        let mut partitions = TopicPartitionList::new();
        partitions
            .add_partition_offset(&topic, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&partitions).unwrap();
        let mut messages = Vec::new();
        while (messages.len() as i64) < high - low {
            if let Some(message) = consumer.poll(LIMIT) {
                messages.push(message.unwrap().detach());
            }
        }
        messages
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// Where the group goes on after a restart.
pub async fn committed(topics: &Topics) -> Offset {
    let (group, topic) = (topics.group("uploader"), topics.events(Entity::Uploads));
    let read = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("group.id", &group)
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition(&topic, 0);
        let committed = consumer.committed_offsets(partitions, LIMIT).unwrap();
        committed.find_partition(&topic, 0).unwrap().offset()
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}
