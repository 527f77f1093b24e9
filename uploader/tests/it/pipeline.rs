//! The whole process: from an event on Kafka to a fact on Kafka.

use std::time::Duration;

use depot_consumer::{Consumer, ConsumerSettings, DeadLetters, header as dead_letter};
use depot_domain::{CommandId, VersionToken};
use depot_object_store::CopyConditions;
use depot_schemas::{
    Entity, Envelope, Event, EventData, EventType, FileOutcome, FileState, UploadData, UploadState, decode,
    header, topics::Topics,
};
use depot_service::{
    config::{AppEnv, DatabaseConfig, KafkaConfig, ProcessConfig, S3Config, TelemetryConfig},
    health::Readiness,
    shutdown::{DrainError, Shutdown},
};
use depot_test_stack::{ServiceRole, TestTopics, eventually, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use secrecy::SecretString;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uploader::{Application, Config, Files, SweepConfig, UploadEvents};

use crate::{
    gate::Gate,
    scene::{Scene, announced},
};

const LIMIT: Duration = Duration::from_secs(30);

struct Pipeline {
    scene: Scene,
    topics: TestTopics,
    gate: Gate,
    producer: FutureProducer,
}

struct Running {
    shutdown: Shutdown,
    readiness: Readiness,
    ended: JoinHandle<Result<(), DrainError>>,
}

impl Running {
    async fn ready(&self) {
        wait_until("the uploader is ready", || async {
            self.readiness.report().await.ready
        })
        .await;
    }

    async fn stop(self) {
        self.shutdown.request();
        self.ended.await.unwrap().unwrap();
    }
}

impl Pipeline {
    async fn new() -> Self {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", settings().kafka_brokers());
        Self {
            scene: Scene::set().await,
            topics: TestTopics::create(1).await.unwrap(),
            gate: Gate::to(settings().get("MINIO_ENDPOINT")).await,
            producer: client.create().unwrap(),
        }
    }

    fn names(&self) -> Topics {
        self.topics.names()
    }

    fn config(&self) -> Config {
        let files = &self.scene.files;
        Config {
            process: ProcessConfig::default(),
            database: DatabaseConfig::for_url(&self.scene.database.url(ServiceRole::Uploader), "uploader"),
            kafka: KafkaConfig::plaintext(settings().kafka_brokers(), self.topics.prefix()),
            s3: S3Config {
                endpoint: self.gate.endpoint.clone(),
                public_endpoint: self.gate.endpoint.clone(),
                access_key: settings().get("STACK_MINIO_ACCESS_KEY").to_owned(),
                secret_key: SecretString::from(settings().get("STACK_MINIO_SECRET_KEY")),
                bucket: files.bucket.clone(),
                staging_bucket: files.staging.clone(),
                region: "us-east-1".to_owned(),
            },
            telemetry: TelemetryConfig {
                app_env: AppEnv::Test,
                log_level: "info".to_owned(),
                otlp_endpoint: None,
                sample_ratio: 1.0,
            },
            concurrency: 4,
            sweep: SweepConfig {
                interval: Duration::from_secs(300),
                grace: Duration::from_secs(7_200),
            },
        }
    }

    async fn start(&self) -> Running {
        let shutdown = Shutdown::new();
        let application = Application::build(self.config(), shutdown.clone()).await.unwrap();
        Running {
            shutdown,
            readiness: application.readiness(),
            ended: tokio::spawn(application.run_until_stopped()),
        }
    }

    async fn send(&self, event_type: EventType, upload: &UploadState) {
        self.send_raw(event_type, upload, &[], None).await;
    }

    /// Sends an event with some headers or the value replaced.
    async fn send_raw(
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

    async fn facts(&self) -> Vec<FileState> {
        let read = read_all(self.names().events(Entity::Files)).await;
        read.iter().map(fact).collect()
    }

    async fn facts_of(&self, upload: &UploadState) -> Vec<FileOutcome> {
        let facts = self.facts().await.into_iter();
        facts
            .filter(|fact| fact.upload_id == upload.id)
            .map(|fact| fact.outcome)
            .collect()
    }

    async fn wait_for(&self, upload: &UploadState, outcomes: &[FileOutcome]) {
        wait_until("the facts are told", || async {
            self.facts_of(upload).await == outcomes
        })
        .await;
    }

    async fn dead_letters(&self) -> Vec<OwnedMessage> {
        read_all(self.names().dead_letters(Entity::Uploads)).await
    }
}

fn fact(message: &OwnedMessage) -> FileState {
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

fn header_of<'a>(message: &'a OwnedMessage, name: &str) -> Option<&'a [u8]> {
    let headers = message.headers()?;
    headers
        .iter()
        .find(|header| header.key == name)
        .and_then(|header| header.value)
}

/// Everything that a topic of one partition holds now.
async fn read_all(topic: String) -> Vec<OwnedMessage> {
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
async fn committed(topics: &Topics) -> Offset {
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

#[tokio::test]
async fn an_upload_goes_from_its_event_to_its_fact_and_away_again() {
    let pipeline = Pipeline::new().await;
    let running = pipeline.start().await;
    running.ready().await;
    let upload = pipeline.scene.staged(b"abc").await;
    // An event that asks for nothing, the one that asks to store, and its repeat.
    pipeline.send(EventType::UploadRequested, &upload).await;
    pipeline.send(EventType::UploadReceived, &upload).await;
    pipeline.send(EventType::UploadReceived, &upload).await;
    let rejected = announced(b"never sent");
    pipeline.send(EventType::UploadReceived, &rejected).await;
    pipeline.wait_for(&upload, &[FileOutcome::Stored]).await;
    pipeline.wait_for(&rejected, &[FileOutcome::Rejected]).await;
    let removed = [FileOutcome::Stored, FileOutcome::Removed];
    pipeline.send(EventType::FileRemovalRequested, &upload).await;
    pipeline.send(EventType::UploadReceived, &upload).await;
    pipeline.wait_for(&upload, &removed).await;
    running.stop().await;
    assert_eq!(pipeline.facts_of(&upload).await, removed);
    assert!(pipeline.scene.keys().await.is_empty());
    assert_eq!(
        committed(&pipeline.names()).await,
        Offset::Offset(6),
        "all of it is done"
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_handled_goes_to_the_dead_letters_and_the_next_goes_on() {
    let pipeline = Pipeline::new().await;
    let running = pipeline.start().await;
    let upload = pipeline.scene.staged(b"abc").await;
    let received = EventType::UploadReceived;
    pipeline
        .send_raw(received, &upload, &[], Some(b"no JSON \xff"))
        .await;
    pipeline
        .send_raw(
            received,
            &upload,
            &[(header::TYPE, "depot.upload.received.v9")],
            None,
        )
        .await;
    pipeline
        .send_raw(received, &upload, &[(header::TYPE, "depot.nonsense.v1")], None)
        .await;
    let impossible = UploadState {
        size_bytes: -1,
        ..upload.clone()
    };
    pipeline.send(received, &impossible).await;
    pipeline.send(received, &upload).await;
    pipeline.wait_for(&upload, &[FileOutcome::Stored]).await;
    let letters = pipeline.dead_letters().await;
    let reasons: Vec<_> = letters
        .iter()
        .map(|letter| String::from_utf8_lossy(header_of(letter, dead_letter::REASON_CLASS).unwrap()))
        .collect();
    assert_eq!(
        reasons,
        ["not_json", "unknown_version", "unknown_type", "invalid_data"]
    );
    assert_eq!(letters[0].payload(), Some(&b"no JSON \xff"[..]));
    assert_eq!(
        letters[0].key().unwrap(),
        upload.id.to_string().as_bytes(),
        "the original key"
    );
    running.stop().await;
}

#[tokio::test]
async fn while_the_object_store_is_away_uploads_wait_and_no_dead_letter_is_written() {
    let pipeline = Pipeline::new().await;
    let running = pipeline.start().await;
    running.ready().await;
    pipeline.gate.shut();
    let uploads = [
        pipeline.scene.staged(b"abc").await,
        pipeline.scene.staged(b"def").await,
    ];
    for upload in &uploads {
        pipeline.send(EventType::UploadReceived, upload).await;
    }
    wait_until("each was tried more than once", || async {
        pipeline.gate.turned_away() > 2 * uploads.len()
    })
    .await;
    assert!(pipeline.facts().await.is_empty());
    pipeline.gate.open();
    for upload in &uploads {
        pipeline.wait_for(upload, &[FileOutcome::Stored]).await;
    }
    running.stop().await;
    assert!(pipeline.dead_letters().await.is_empty());
}

#[tokio::test]
async fn an_uploader_that_starts_before_its_object_store_says_so_and_begins_by_itself() {
    let pipeline = Pipeline::new().await;
    pipeline.gate.shut();
    let running = pipeline.start().await;
    let upload = pipeline.scene.staged(b"abc").await;
    pipeline.send(EventType::UploadReceived, &upload).await;
    eventually("it says what it waits for", || async {
        let report = running.readiness.report().await;
        let part = report
            .waiting_for
            .into_iter()
            .find(|part| part.name == "object store");
        part.filter(|part| part.reason.contains("PUT of"))
    })
    .await;
    pipeline.gate.open();
    pipeline.wait_for(&upload, &[FileOutcome::Stored]).await;
    running.ready().await;
    running.stop().await;
}

/// The way through this process is the deepest; it has to fit into the stack of a runtime's thread.
#[tokio::test]
async fn a_store_that_ignores_conditions_is_served_by_the_running_consumer_too() {
    let pipeline = Pipeline::new().await;
    let files = Files {
        copy_conditions: CopyConditions::Ignored,
        ..pipeline.scene.files.clone()
    };
    let subscribed = [pipeline.names().events(Entity::Uploads)];
    let group = pipeline.names().group("uploader");
    let consumer_settings = ConsumerSettings::new(settings().kafka_brokers(), group, subscribed);
    let dead_letters = DeadLetters::new(settings().kafka_brokers(), &[]).unwrap();
    let stop = CancellationToken::new();
    let handler = UploadEvents::new(files);
    let consumer = Consumer::start_keyed(consumer_settings, handler, dead_letters, stop.clone()).unwrap();
    let upload = pipeline.scene.staged(&vec![b'7'; 20_000_000]).await;
    pipeline.send(EventType::UploadReceived, &upload).await;
    wait_until("it is told", || async {
        pipeline.scene.told(&upload).await == ["depot.file.stored.v1"]
    })
    .await;
    stop.cancel();
    consumer.join().await.unwrap();
    assert_eq!(pipeline.scene.keys().await.len(), 1);
}
