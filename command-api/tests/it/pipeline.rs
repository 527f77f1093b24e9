//! With Kafka: the relay publishes, and the saga hears.

use depot_domain::{CommandId, VersionToken};
use depot_schemas::{Entity, Envelope, Event, EventData, EventType, FileData, FileOutcome, FileState};
use depot_test_stack::{TestTopics, eventually, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _,
    consumer::{Consumer as _, StreamConsumer},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use uuid::Uuid;

use crate::{client::Request, service::Service};

async fn service(topics: &TestTopics) -> Service {
    let brokers = settings().kafka_brokers();
    Service::start_with(&[
        ("KAFKA_BROKERS", brokers),
        ("TOPIC_PREFIX", topics.prefix()),
        ("TOPIC_PARTITIONS", topics.partitions()),
        ("RELAY_ENABLED", "true"),
        ("SAGA_ENABLED", "true"),
    ])
    .await
}

/// A fact about a file: headers and payload.
pub fn fact(upload: Uuid, item: Uuid, outcome: FileOutcome, version: i64) -> (OwnedHeaders, Vec<u8>) {
    let event_type = match outcome {
        FileOutcome::Stored => EventType::FileStored,
        FileOutcome::Rejected => EventType::FileRejected,
        FileOutcome::Removed => EventType::FileRemoved,
    };
    let now = time::OffsetDateTime::now_utc();
    let token = VersionToken::new(0, version);
    let envelope = Envelope::new(event_type, upload, token, CommandId::generate(), now);
    let file = FileState {
        upload_id: upload,
        item_id: item,
        outcome,
        object_key: Some("abab/x".to_owned()),
        size_bytes: Some(10),
        sha256: None,
        reason: None,
        detail: None,
        version,
        thumbnail: None,
    };
    let event = Event {
        envelope,
        data: EventData::File(FileData { file }),
    };
    let headers = event.envelope.headers();
    let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    });
    (headers, event.payload().unwrap())
}

async fn tell(topics: &TestTopics, upload: Uuid, item: Uuid, outcome: FileOutcome, version: i64) {
    let (headers, payload) = fact(upload, item, outcome, version);
    send(topics, &upload.to_string(), &payload, headers).await;
}

async fn send(topics: &TestTopics, key: &str, payload: &[u8], headers: OwnedHeaders) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap();
    let topic = topics.names().events(Entity::Files);
    let record = FutureRecord::to(&topic)
        .key(key)
        .payload(payload)
        .headers(headers);
    producer
        .send(record, std::time::Duration::from_secs(30))
        .await
        .unwrap();
}

/// What is wrong is the database's: a right that was taken away. Nothing is wrong with the event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_waits_while_the_database_is_not_fit_for_it_and_is_no_dead_letter() {
    let topics = TestTopics::create(1).await.unwrap();
    let service = service(&topics).await;
    let item = service.item("alice").await;
    let upload = service.upload("alice", item, 10).await;
    service.complete("alice", upload).await.expect(202);
    let as_owner = async |statement: &'static str| {
        sqlx::query(statement).execute(&service.pool).await.unwrap();
    };
    as_owner("REVOKE UPDATE ON command.uploads FROM depot_command").await;
    tell(&topics, upload, item, FileOutcome::Stored, 1).await;
    wait_until("the saga tries again and again", || async {
        let probe = Request::new(service.admin_address, "GET", "/metrics");
        let text = String::from_utf8(probe.send().await.body).unwrap();
        // Of other tests in this process, too: those of these topics.
        let attempts = text.lines().find(|line| {
            line.starts_with("depot_consumer_transient_failures_total")
                && line.contains(&topics.names().events(Entity::Files))
        });
        attempts.is_some_and(|line| !line.ends_with(" 0") && !line.ends_with(" 1"))
    })
    .await;
    as_owner("GRANT UPDATE ON command.uploads TO depot_command").await;
    wait_until("the file is attached", || async {
        service.upload_status(upload).await.0 == "stored"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_published_and_facts_of_files_are_acted_on() {
    let topics = TestTopics::create(2).await.unwrap();
    let service = service(&topics).await;
    wait_until("the process is ready", || async {
        Request::new(service.admin_address, "GET", "/readyz")
            .send()
            .await
            .status
            == 200
    })
    .await;
    let item = service.item("alice").await;
    let upload = service.upload("alice", item, 10).await;
    service.complete("alice", upload).await.expect(202);

    // What cannot be understood stops nobody.
    send(&topics, "x", b"no event", OwnedHeaders::new()).await;
    for _ in 0..2 {
        tell(&topics, upload, item, FileOutcome::Stored, 1).await;
    }
    wait_until("the file is attached", || async {
        service.upload_status(upload).await.0 == "stored"
    })
    .await;
    service.delete_item("alice", item).await;
    wait_until("the saga has heard that the item is deleted", || async {
        service.upload_status(upload).await.0 == "removed"
    })
    .await;
    tell(&topics, upload, item, FileOutcome::Removed, 2).await;
    wait_until("the saga is at its end", || async {
        service.saga(upload).await.1 == "removed"
    })
    .await;
    assert_eq!(service.quota("alice").await, (0, 0));

    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .set("group.id", topics.prefix())
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    let names = topics.names();
    consumer
        .subscribe(&[&names.events(Entity::Items), &names.events(Entity::Uploads)])
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let message = eventually("an event in Kafka", || async { consumer.recv().await.ok() }).await;
        let header = message
            .headers()
            .unwrap()
            .iter()
            .find(|header| header.key == "ce_type")
            .unwrap();
        let kind = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
        seen.push((String::from_utf8(message.key().unwrap().to_vec()).unwrap(), kind));
    }
    let of = |id: Uuid| {
        let mine = seen.iter().filter(|(key, _)| *key == id.to_string());
        mine.map(|(_, kind)| kind.trim_start_matches("depot.").trim_end_matches(".v1"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(item), ["item.created", "item.file_attached", "item.deleted"]);
    let uploads = [
        "upload.requested",
        "upload.received",
        "upload.stored",
        "upload.removed",
        "upload.removal_requested",
    ];
    assert_eq!(of(upload), uploads);
    drop(consumer);
    service.stop().await;
}
