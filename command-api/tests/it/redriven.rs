//! A fact that the saga had given up, and that comes back.

use std::time::Duration;

use depot_consumer::header;
use depot_schemas::{Entity, FileOutcome};
use depot_test_stack::{TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig,
    message::Header,
    producer::{FutureProducer, FutureRecord},
};
use uuid::Uuid;

use crate::{
    pipeline::fact,
    service::{Service, new_key},
};

/// Writes the letter of a `file.stored` that the saga's group could not handle.
async fn give_up_stored(topics: &TestTopics, upload: Uuid, item: Uuid, offset: i64) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap();
    let names = topics.names();
    let (headers, payload) = fact(upload, item, FileOutcome::Stored, 1);
    let (source, group) = (names.events(Entity::Files), names.group("saga"));
    let (partition, offset) = (0_i32.to_be_bytes(), offset.to_be_bytes());
    let origin: [(&str, &[u8]); 6] = [
        (header::ORIGINAL_TOPIC, source.as_bytes()),
        (header::ORIGINAL_PARTITION, &partition),
        (header::ORIGINAL_OFFSET, &offset),
        (header::ORIGINAL_CONSUMER_GROUP, group.as_bytes()),
        (header::REASON_CLASS, b"saga_fault"),
        (header::ATTEMPTS, b"1"),
    ];
    let headers = origin.iter().fold(headers, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(*value),
        })
    });
    let (topic, key) = (names.dead_letters(Entity::Files), upload.to_string());
    let record = FutureRecord::to(&topic).partition(0).key(&key).payload(&payload);
    let sent = producer.send(record.headers(headers), Duration::from_secs(30));
    sent.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_file_that_comes_back_from_the_dead_letters_is_attached_or_after_the_end_removed() {
    let topics = TestTopics::create(1).await.unwrap();
    let service = Service::start_with(&[
        ("KAFKA_BROKERS", settings().kafka_brokers()),
        ("TOPIC_PREFIX", topics.prefix()),
        ("TOPIC_PARTITIONS", topics.partitions()),
        ("SAGA_ENABLED", "true"),
        ("DEAD_LETTERS_ENABLED", "true"),
    ])
    .await;
    let item = service.item("alice").await;
    let waiting = service.upload("alice", item, 10).await;
    service.complete("alice", waiting).await.expect(202);
    let ended = service.upload("alice", item, 10).await;
    service.complete("alice", ended).await.expect(202);
    let abort = service.by("alice", "DELETE", &format!("/api/v1/uploads/{ended}"));
    abort.send().await.expect(204);

    give_up_stored(&topics, waiting, item, 1).await;
    give_up_stored(&topics, ended, item, 2).await;
    wait_until("both letters are indexed", || async {
        let list = service.by_admin("GET", "/api/v1/admin/dlq?state=open");
        let page = list.send().await.expect(200).json();
        page["letters"].as_array().unwrap().len() == 2
    })
    .await;
    assert_eq!(
        service.upload_status(waiting).await.0,
        "received",
        "the saga waits for what was given up"
    );
    let redrive = service.by_admin("POST", "/api/v1/admin/dlq/redrive");
    let redrive = redrive.key(&new_key()).json(serde_json::json!({})).send().await;
    assert_eq!(redrive.expect(202).json()["count"], 2);

    wait_until("the file that was waited for is attached", || async {
        service.upload_status(waiting).await.0 == "stored"
    })
    .await;
    wait_until("the file of the ended upload is asked to go", || async {
        service.saga(ended).await == ("compensating".to_owned(), "removing".to_owned())
    })
    .await;
    assert_eq!(service.upload_status(ended).await.0, "aborted");
    assert_eq!(service.quota("alice").await, (10, 0), "quota adds up");
    assert_eq!(
        service.kinds(ended).await,
        [
            "upload.requested",
            "upload.received",
            "upload.aborted",
            "upload.removal_requested"
        ]
    );
    service.stop().await;
}
