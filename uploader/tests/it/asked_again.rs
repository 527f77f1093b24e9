//! A saga that had no answer asks again, in a later version of the upload.

use depot_consumer::{Context, KeyHandler as _, Record};
use depot_domain::{CommandId, VersionToken};
use depot_schemas::{Envelope, Event, EventData, EventType, UploadData, UploadState};
use time::OffsetDateTime;
use uploader::UploadEvents;

use crate::scene::{Scene, announced};

const STORED: &str = "depot.file.stored.v1";
const REJECTED: &str = "depot.file.rejected.v1";
const REMOVED: &str = "depot.file.removed.v1";

fn asked_again(upload: &UploadState) -> UploadState {
    UploadState {
        version: upload.version + 1,
        ..upload.clone()
    }
}

/// `(version, file)` of the facts told about an upload.
async fn facts(scene: &Scene, upload: &UploadState) -> Vec<(i64, serde_json::Value)> {
    let statement =
        "SELECT aggregate_version, convert_from(payload, 'UTF8')::jsonb->'file' FROM uploader.outbox
                     WHERE aggregate_id = $1 ORDER BY aggregate_version";
    sqlx::query_as(statement)
        .bind(upload.id)
        .fetch_all(&scene.owner)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_stored_file_is_told_of_again_only_to_who_asks_again() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    scene.store(&upload).await.unwrap();
    scene.store(&upload).await.unwrap();
    assert_eq!(scene.told(&upload).await, [STORED]);
    let again = asked_again(&upload);
    for _ in 0..2 {
        scene.store(&again).await.unwrap();
        scene.store(&upload).await.unwrap();
    }
    assert_eq!(scene.told(&upload).await, [STORED, STORED]);
    let facts = facts(&scene, &upload).await;
    assert_eq!((facts[0].0, facts[1].0), (1, 2), "versions without a gap");
    for name in ["outcome", "object_key", "size_bytes", "sha256"] {
        assert_eq!(facts[0].1[name], facts[1].1[name], "{name}");
    }
    assert_eq!(scene.keys().await.len(), 1);
}

#[tokio::test]
async fn a_rejection_is_told_again_with_its_reason() {
    let scene = Scene::set().await;
    let upload = announced(b"abc");
    scene.store(&upload).await.unwrap();
    scene.store(&asked_again(&upload)).await.unwrap();
    assert_eq!(scene.told(&upload).await, [REJECTED, REJECTED]);
    assert_eq!(facts(&scene, &upload).await[1].1["reason"], "content_missing");
}

#[tokio::test]
async fn a_removal_is_confirmed_again_to_who_asks_again() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    scene.store(&upload).await.unwrap();
    let removal = asked_again(&upload);
    for _ in 0..2 {
        scene.remove(&removal).await.unwrap();
    }
    assert_eq!(scene.told(&upload).await, [STORED, REMOVED]);
    scene.remove(&asked_again(&removal)).await.unwrap();
    assert_eq!(scene.told(&upload).await, [STORED, REMOVED, REMOVED]);

    let cancelled = announced(b"def");
    scene.remove(&cancelled).await.unwrap();
    scene.remove(&cancelled).await.unwrap();
    scene.remove(&asked_again(&cancelled)).await.unwrap();
    assert_eq!(scene.told(&cancelled).await, [REMOVED, REMOVED]);
    assert!(scene.keys().await.is_empty());
}

/// Asks to store, by an event of that epoch.
async fn ask_in(scene: &Scene, epoch: i32, upload: &UploadState) {
    let (version, cause) = (VersionToken::new(epoch, upload.version), CommandId::generate());
    let now = OffsetDateTime::now_utc();
    let envelope = Envelope::new(EventType::UploadReceived, upload.id, version, cause, now);
    let data = EventData::Upload(UploadData {
        upload: upload.clone(),
        changed: vec![],
        actor: "alice".into(),
    });
    let headers = envelope.headers().into_iter();
    let record = Record {
        key: Some(upload.id.to_string().into_bytes()),
        headers: headers
            .map(|(name, value)| (name.to_owned(), Some(value.into_bytes())))
            .collect(),
        payload: Some(Event { envelope, data }.payload().unwrap()),
        ..Record::default()
    };
    let handler = UploadEvents::new(scene.files.clone());
    let asked = handler.decode(&record).unwrap();
    handler
        .handle(&asked, &record, &Context::detached())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_question_of_a_later_epoch_is_answered_whatever_its_version() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let late = UploadState {
        version: upload.version + 7,
        ..upload.clone()
    };
    ask_in(&scene, 0, &late).await;
    // The database of the uploads was set back to a version before, and the uploader's was not.
    for _ in 0..2 {
        ask_in(&scene, 9, &upload).await;
        ask_in(&scene, 0, &late).await;
    }
    assert_eq!(scene.told(&upload).await, [STORED, STORED]);
}

#[tokio::test]
async fn a_fact_carries_the_restore_epoch_of_the_uploader() {
    let scene = Scene::set().await;
    sqlx::query("UPDATE uploader.restore_epoch SET epoch = 9")
        .execute(&scene.owner)
        .await
        .unwrap();
    let upload = scene.staged(b"abc").await;
    scene.store(&upload).await.unwrap();
    let headers: String = sqlx::query_scalar("SELECT headers FROM uploader.outbox WHERE aggregate_id = $1")
        .bind(upload.id)
        .fetch_one(&scene.owner)
        .await
        .unwrap();
    assert!(headers.contains("ce_restoreepoch=9"), "{headers}");
}
