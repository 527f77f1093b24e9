//! The whole process: from an event on Kafka to a fact on Kafka.

use depot_consumer::{Consumer, ConsumerSettings, DeadLetters, header as dead_letter};
use depot_object_store::CopyConditions;
use depot_schemas::{Entity, EventType, FileOutcome, UploadState, header};
use depot_test_stack::{eventually, settings, wait_until};
use rdkafka::{Message as _, Offset};
use tokio_util::sync::CancellationToken;
use uploader::{Files, UploadEvents};

use crate::{
    scene::announced,
    whole_process::{Pipeline, committed, header_of, read_all},
};

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
    for topic in pipeline.names().retries() {
        assert!(read_all(topic).await.is_empty(), "an outage exhausts nothing");
    }
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
