//! The object store's own notifications, by real Kafka.

use std::time::Duration;

use depot_schemas::topics::Topics;
use depot_test_stack::{TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Headers as _, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use uuid::Uuid;

use crate::service::Service;

const LIMIT: Duration = Duration::from_secs(30);
const PUT: &str = include_str!("notifications/versitygw-put.json");
const COMPLETE: &str = include_str!("notifications/versitygw-complete-multipart.json");
const DELETE: &str = include_str!("notifications/versitygw-delete.json");
const TEST: &str = include_str!("notifications/versitygw-test.json");
const AWS: &str = include_str!("notifications/aws-put.json");
const MINIO: &str = include_str!("notifications/minio-put.json");

fn told(recorded: &str, bucket: &str, key: impl ToString) -> String {
    recorded
        .replace("BUCKET", bucket)
        .replace("KEY", &key.to_string())
}

/// A service that listens to the store, on topics of one partition.
struct Scene {
    topics: TestTopics,
    service: Service,
    producer: FutureProducer,
    item: Uuid,
}

impl Scene {
    async fn set(enabled: bool) -> Self {
        let topics = TestTopics::create(1).await.unwrap();
        let service = Service::start_with(&[
            ("KAFKA_BROKERS", settings().kafka_brokers()),
            ("TOPIC_PREFIX", topics.prefix()),
            ("TOPIC_PARTITIONS", topics.partitions()),
            (
                "STORE_NOTIFICATIONS_ENABLED",
                if enabled { "true" } else { "false" },
            ),
        ])
        .await;
        let producer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .create();
        let item = service.item("alice").await;
        Self {
            topics,
            service,
            producer: producer.unwrap(),
            item,
        }
    }

    fn names(&self) -> Topics {
        self.topics.names()
    }

    /// Sends as the gateway does: under an empty key.
    async fn send(&self, message: &[u8]) {
        let topic = self.names().store_notifications();
        let record = FutureRecord::to(&topic).key("").payload(message);
        self.producer.send(record, LIMIT).await.unwrap();
    }

    async fn upload(&self) -> Uuid {
        self.service.upload("alice", self.item, 10).await
    }

    async fn status(&self, id: Uuid) -> String {
        self.service.upload_status(id).await.0
    }

    /// Until everything that was sent has been handled.
    async fn handled(&self) {
        let (topic, group) = (
            self.names().store_notifications(),
            self.names().group("store-notifications"),
        );
        wait_until("every notification is handled", || async {
            let (topic, group) = (topic.clone(), group.clone());
            tokio::task::spawn_blocking(move || committed(&topic, &group))
                .await
                .unwrap()
        })
        .await;
    }

    async fn dead_letters(&self) -> Vec<OwnedMessage> {
        let topic = self.names().store_notification_dead_letters();
        tokio::task::spawn_blocking(move || read_all(&topic))
            .await
            .unwrap()
    }
}

fn reader(group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings().kafka_brokers())
        .set("group.id", group);
    config.set("enable.auto.commit", "false").create().unwrap()
}

/// Whether the group has come to the end.
fn committed(topic: &str, group: &str) -> bool {
    let consumer = reader(group);
    let (_, end) = consumer.fetch_watermarks(topic, 0, LIMIT).unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition(topic, 0);
    let committed = consumer.committed_offsets(partitions, LIMIT).unwrap();
    committed.find_partition(topic, 0).unwrap().offset() == Offset::Offset(end)
}

fn read_all(topic: &str) -> Vec<OwnedMessage> {
    let consumer = reader("reads only");
    let (low, high) = consumer.fetch_watermarks(topic, 0, LIMIT).unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&partitions).unwrap();
    let mut messages = Vec::new();
    while (messages.len() as i64) < high - low {
        if let Some(message) = consumer.poll(LIMIT) {
            messages.push(message.unwrap().detach());
        }
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_completes_by_the_notification_of_whatever_store() {
    let scene = Scene::set(true).await;
    for recorded in [PUT, COMPLETE, AWS, MINIO] {
        let id = scene.upload().await;
        scene.send(told(recorded, "staging", id).as_bytes()).await;
        wait_until("the upload is received", || async {
            scene.status(id).await == "received"
        })
        .await;
        assert_eq!(
            scene.service.saga(id).await,
            ("running".into(), "awaiting_file".into())
        );
        let events = scene.service.events(id).await;
        assert_eq!(events[1].kind, "upload.received");
        assert_eq!(events[1].data["actor"], "object store");
    }
    scene.handled().await;
    assert!(scene.dead_letters().await.is_empty());
    scene.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_and_the_store_at_once_give_one_outcome() {
    let scene = Scene::set(true).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(scene.upload().await);
    }
    let meetings = ids.iter().map(|id| {
        let (scene, message) = (&scene, told(PUT, "staging", id));
        async move {
            let notifying = async {
                for _ in 0..3 {
                    scene.send(message.as_bytes()).await;
                }
            };
            let (received, ()) = futures::join!(scene.service.complete("alice", *id), notifying);
            assert_eq!(received.expect(202).etag(), "\"2\"");
        }
    });
    futures::future::join_all(meetings).await;
    scene.handled().await;
    for id in ids {
        assert_eq!(
            scene.service.kinds(id).await,
            ["upload.requested", "upload.received"]
        );
        assert_eq!(
            scene.service.saga(id).await,
            ("running".into(), "awaiting_file".into())
        );
    }
    assert!(scene.dead_letters().await.is_empty());
    scene.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_or_is_of_no_concern_changes_nothing() {
    let scene = Scene::set(true).await;
    let (pending, aborted) = (scene.upload().await, scene.upload().await);
    let path = format!("/api/v1/uploads/{aborted}");
    scene
        .service
        .by("alice", "DELETE", &path)
        .send()
        .await
        .expect(204);
    for message in [
        told(PUT, "staging", aborted),
        told(PUT, "files", pending),
        told(PUT, "staging", Uuid::now_v7()),
        told(PUT, "staging", ".probe/x"),
        told(DELETE, "staging", pending),
        TEST.to_owned(),
        r#"{"Records": []}"#.to_owned(),
    ] {
        scene.send(message.as_bytes()).await;
    }
    scene.handled().await;
    assert_eq!(
        (scene.status(pending).await, scene.status(aborted).await),
        ("pending".into(), "aborted".into())
    );
    assert_eq!(
        scene.service.kinds(aborted).await,
        ["upload.requested", "upload.aborted"]
    );
    assert!(scene.dead_letters().await.is_empty());
    // The removal of an object before its making, as they may come.
    scene.send(told(PUT, "staging", pending).as_bytes()).await;
    scene.send(told(PUT, "staging", pending).as_bytes()).await;
    scene.handled().await;
    assert_eq!(
        scene.service.kinds(pending).await,
        ["upload.requested", "upload.received"]
    );
    scene.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_notification_goes_to_the_dead_letters_and_stops_nobody() {
    let scene = Scene::set(true).await;
    let id = scene.upload().await;
    for message in [&b"no JSON \xff"[..], b"{}", br#"{"Records": [{"eventName": 7}]}"#] {
        scene.send(message).await;
    }
    scene.send(told(PUT, "staging", id).as_bytes()).await;
    scene.handled().await;
    assert_eq!(scene.status(id).await, "received");
    let letters = scene.dead_letters().await;
    let reason = |letter: &OwnedMessage| {
        let headers = letter.headers().unwrap();
        let header = headers
            .iter()
            .find(|header| header.key == depot_consumer::header::REASON_CLASS);
        String::from_utf8(header.unwrap().value.unwrap().to_vec()).unwrap()
    };
    let reasons: Vec<_> = letters.iter().map(reason).collect();
    assert_eq!(reasons, ["not_json", "not_an_s3_event", "not_an_s3_event"]);
    assert_eq!(
        letters[0].payload(),
        Some(&b"no JSON \xff"[..]),
        "the original bytes"
    );
    scene.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_to_the_store_unless_told_to() {
    let scene = Scene::set(false).await;
    let id = scene.upload().await;
    scene.send(told(PUT, "staging", id).as_bytes()).await;
    let ready = scene.service.readiness().await;
    assert!(!ready.contains("store notifications"), "{ready}");
    assert_eq!(scene.status(id).await, "pending");
    scene.service.stop().await;
}
