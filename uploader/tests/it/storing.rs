use depot_consumer::Failure;
use depot_object_store::{CopyConditions, StoreError};
use uploader::{Stored, UploaderError, Verified, verify};

use crate::scene::{Scene, announced, store_at};

const STORED: &str = "depot.file.stored.v1";
const REJECTED: &str = "depot.file.rejected.v1";
const REMOVED: &str = "depot.file.removed.v1";

#[tokio::test]
async fn a_file_delivered_twice_is_stored_and_told_once() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let first = scene.store(&upload).await.unwrap();
    assert_eq!(
        first,
        Stored::Stored {
            object_key: format!("{}/{}", upload.sha256, upload.id)
        }
    );
    assert_eq!(scene.store(&upload).await.unwrap(), Stored::KnownAlready);
    assert_eq!(scene.told(&upload).await, [STORED]);
    assert_eq!(scene.keys().await.len(), 1);
    assert!(scene.staged_keys().await.is_empty(), "staging is cleaned");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_gets_the_file_by_way_of_this_process() {
    let mut scene = Scene::set().await;
    scene.files.copy_conditions = CopyConditions::Ignored;
    let upload = scene.staged(b"abc").await;
    assert!(matches!(
        scene.store(&upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    assert_eq!(scene.keys().await.len(), 1);
}

#[tokio::test]
async fn what_is_not_as_announced_is_rejected_with_its_reason_and_leaves_nothing() {
    let scene = Scene::set().await;
    let cases: [(&str, Option<&[u8]>); 3] = [
        ("content_missing", None),
        ("size_mismatch", Some(b"abcd")),
        ("checksum_mismatch", Some(b"abd")),
    ];
    for (reason, content) in cases {
        let upload = announced(b"abc");
        if let Some(content) = content {
            scene.stage(&upload, content).await;
        }
        assert_eq!(scene.store(&upload).await.unwrap(), Stored::Rejected);
        assert_eq!(scene.store(&upload).await.unwrap(), Stored::KnownAlready);
        assert_eq!(scene.told(&upload).await, [REJECTED]);
        let told: String = sqlx::query_scalar(
            "SELECT convert_from(payload, 'UTF8')::jsonb->'file'->>'reason' FROM uploader.outbox WHERE aggregate_id = $1",
        )
        .bind(upload.id)
        .fetch_one(&scene.owner)
        .await
        .unwrap();
        assert_eq!(told, reason);
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT (convert_from(payload, 'UTF8')::jsonb->'file'->>'size_bytes')::bigint FROM uploader.outbox
             WHERE aggregate_id = $1",
        )
        .bind(upload.id)
        .fetch_one(&scene.owner)
        .await
        .unwrap();
        assert_eq!(found, content.map(|content| content.len() as i64));
    }
    assert!(scene.keys().await.is_empty());
    assert!(scene.staged_keys().await.is_empty());
}

#[tokio::test]
async fn whichever_of_cancel_and_store_comes_first_no_file_is_left() {
    let scene = Scene::set().await;
    let cancelled_first = scene.staged(b"abc").await;
    scene.remove(&cancelled_first).await.unwrap();
    assert_eq!(scene.store(&cancelled_first).await.unwrap(), Stored::KnownAlready);
    assert_eq!(scene.told(&cancelled_first).await, [REMOVED]);

    let stored_first = scene.staged(b"abc").await;
    scene.store(&stored_first).await.unwrap();
    scene.remove(&stored_first).await.unwrap();
    scene.remove(&stored_first).await.unwrap();
    assert_eq!(scene.told(&stored_first).await, [STORED, REMOVED]);
    // A late or redriven request to store changes nothing.
    scene.stage(&stored_first, b"abc").await;
    assert_eq!(scene.store(&stored_first).await.unwrap(), Stored::KnownAlready);

    assert!(scene.keys().await.is_empty());
    assert!(scene.staged_keys().await.is_empty());
    assert_eq!(scene.outcome(&cancelled_first).await, "cancelled");
    assert_eq!(scene.outcome(&stored_first).await, "removed");
}

#[tokio::test]
async fn a_store_that_is_away_makes_the_upload_wait_and_rejects_nothing() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let mut away = scene.files.clone();
    away.store = store_at("http://127.0.0.1:9");
    let failed = uploader::store_upload(&away, &upload, depot_domain::CommandId::generate()).await;
    let failure = Failure::from(failed.unwrap_err());
    assert!(matches!(failure, Failure::Transient { .. }), "{failure}");
    assert!(scene.told(&upload).await.is_empty());
    assert!(
        matches!(scene.store(&upload).await.unwrap(), Stored::Stored { .. }),
        "it goes on when the store is back"
    );
}

#[test]
fn an_object_that_is_replaced_again_and_again_is_its_own_upload_s_matter() {
    let upload = uuid::Uuid::now_v7();
    let failure = Failure::from(UploaderError::Restless { upload });
    assert!(matches!(failure, Failure::RetryLater { .. }), "{failure}");
    let failure = Failure::from(UploaderError::Cancelled { upload });
    assert!(matches!(failure, Failure::Transient { .. }), "{failure}");
}

#[tokio::test]
async fn a_missing_bucket_is_nobody_s_missing_file() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let mut elsewhere = scene.files.clone();
    elsewhere.staging = "no-such-bucket-at-all".into();
    let verified = verify(&elsewhere, &upload).await;
    assert!(
        matches!(
            verified,
            Err(UploaderError::Store {
                source: StoreError::Refused { .. },
                ..
            })
        ),
        "{verified:?}"
    );
}

#[tokio::test]
async fn a_staged_object_replaced_after_verification_is_never_stored_under_the_verified_hash() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let Verified::AsAnnounced { etag, .. } = verify(&scene.files, &upload).await.unwrap() else {
        panic!()
    };
    scene.stage(&upload, b"xyz").await;
    let (staged, key) = (upload.id.to_string(), "key");
    let (from, to) = (
        (scene.files.staging.as_str(), staged.as_str()),
        (scene.files.bucket.as_str(), key),
    );
    let copied = scene
        .files
        .store
        .copy_verified(from, &etag, to, "text/plain", 3)
        .await
        .unwrap();
    assert_eq!(copied, depot_object_store::CopyOutcome::SourceChanged);
    assert!(scene.keys().await.is_empty());
    // The flow verifies again, and then finds what lies there now.
    assert_eq!(scene.store(&upload).await.unwrap(), Stored::Rejected);
}

#[tokio::test]
async fn a_staged_object_replaced_between_verification_and_copy_is_verified_again_and_rejected() {
    for copy_conditions in [CopyConditions::Honoured, CopyConditions::Ignored] {
        let mut scene = Scene::set().await;
        scene.files.copy_conditions = copy_conditions;
        let upload = scene.staged(b"abc").await;
        // The key that is claimed between the two steps is held here, so that the flow waits there.
        let mut claimed = scene.owner.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO uploader.objects (key, sha256, size_bytes, state) VALUES ($1, $2, 3, 'copying')",
        )
        .bind(format!("{}/{}", upload.sha256, upload.id))
        .bind(&upload.sha256)
        .execute(&mut *claimed)
        .await
        .unwrap();
        let replaced = async {
            scene.wait_for_waiting(1).await;
            scene.stage(&upload, b"xyz").await;
            claimed.rollback().await.unwrap();
        };
        let (stored, ()) = futures::join!(scene.store(&upload), replaced);
        assert_eq!(stored.unwrap(), Stored::Rejected, "{copy_conditions:?}");
        assert_eq!(scene.told(&upload).await, [REJECTED]);
        assert_eq!(scene.fact(&upload).await["reason"], "checksum_mismatch");
        assert!(scene.keys().await.is_empty() && scene.staged_keys().await.is_empty());
    }
}

#[tokio::test]
async fn one_upload_stored_by_a_stopped_instance_and_its_successor_at_once_keeps_its_object() {
    let scene = Scene::set().await;
    for _ in 0..8 {
        let upload = scene.staged(b"abc").await;
        let both = futures::join!(scene.store(&upload), scene.store(&upload), scene.store(&upload));
        for stored in [both.0, both.1, both.2] {
            // A store may answer 500 where the source goes in the midst of a copy. The work then comes again.
            let stored = match stored {
                Err(_) => scene.store(&upload).await,
                done => done,
            };
            assert!(
                matches!(stored.unwrap(), Stored::Stored { .. } | Stored::KnownAlready),
                "never rejected for what the other one took"
            );
        }
        assert_eq!(scene.told(&upload).await, [STORED]);
        let key = format!("{}/{}", upload.sha256, upload.id);
        assert_eq!(scene.keys().await, [key.as_str()]);
        assert_eq!(scene.state_of(&key).await, "live");
        scene.remove(&upload).await.unwrap();
    }
}
