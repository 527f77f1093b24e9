use std::{sync::Arc, time::Duration};

use depot_domain::CommandId;
use depot_schemas::sweep::FindingKind;
use sqlx::{Postgres, Transaction};
use uploader::{Stored, store_upload};

use crate::{
    scene::{Scene, store_at},
    store_front::{Copies, Hold, store_front},
};

fn key(stored: &Stored) -> &str {
    match stored {
        Stored::Stored { object_key } => object_key,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_uploads_of_one_content_share_an_object_until_the_last_is_removed() {
    let scene = Scene::set().await;
    let (a, b) = (scene.staged(b"abc").await, scene.staged(b"abc").await);
    let (stored_a, stored_b) = (scene.store(&a).await.unwrap(), scene.store(&b).await.unwrap());
    assert_eq!(key(&stored_a), key(&stored_b));
    scene.remove(&a).await.unwrap();
    assert_eq!(scene.keys().await, [key(&stored_a)], "b still refers to it");
    scene.remove(&b).await.unwrap();
    assert!(scene.keys().await.is_empty());
    assert_eq!(scene.state_of(key(&stored_a)).await, "deleted");
}

#[tokio::test]
async fn a_store_that_meets_a_decided_deletion_makes_a_new_key() {
    let scene = Scene::set().await;
    let a = scene.staged(b"abc").await;
    let stored_a = scene.store(&a).await.unwrap();
    // The deletion is decided, and has not reached the store yet.
    sqlx::query("UPDATE uploader.objects SET state = 'deleting'")
        .execute(&scene.owner)
        .await
        .unwrap();
    let b = scene.staged(b"abc").await;
    let stored_b = scene.store(&b).await.unwrap();
    assert_ne!(key(&stored_a), key(&stored_b));
    // It lands, late: what b refers to is not touched.
    scene.remove(&a).await.unwrap();
    assert_eq!(scene.keys().await, [key(&stored_b)]);
}

#[tokio::test]
async fn an_upload_whose_own_key_was_given_up_begins_anew_under_another() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let given_up = format!("{}/{}", upload.sha256, upload.id);
    sqlx::query(
        "INSERT INTO uploader.objects (key, sha256, size_bytes, state) VALUES ($1, $2, 3, 'deleted')",
    )
    .bind(&given_up)
    .bind(&upload.sha256)
    .execute(&scene.owner)
    .await
    .unwrap();
    let stored = scene.store(&upload).await.unwrap();
    assert_eq!(key(&stored), format!("{given_up}-1"));
}

#[tokio::test]
async fn of_many_copies_at_once_one_is_kept_and_all_refer_to_it() {
    let scene = Scene::set().await;
    let mut uploads = Vec::new();
    for _ in 0..8 {
        uploads.push(scene.staged(b"abc").await);
    }
    let stored = futures::future::join_all(
        uploads
            .iter()
            .map(|upload| async { key(&scene.store(upload).await.unwrap()).to_owned() }),
    )
    .await;
    assert!(stored.iter().all(|key| key == &stored[0]), "{stored:?}");
    assert_eq!(
        scene.keys().await,
        [stored[0].as_str()],
        "the losers deleted their own"
    );
}

/// Holds the row of the content's object, so that whoever wants it queues up.
async fn hold(scene: &Scene, key: &str) -> Transaction<'static, Postgres> {
    let mut held = scene.owner.begin().await.unwrap();
    sqlx::query("SELECT FROM uploader.objects WHERE key = $1 FOR UPDATE")
        .bind(key)
        .execute(&mut *held)
        .await
        .unwrap();
    held
}

#[tokio::test]
async fn a_reference_that_comes_before_the_last_removal_keeps_the_object() {
    let scene = Scene::set().await;
    let (a, b) = (scene.staged(b"abc").await, scene.staged(b"abc").await);
    let stored_a = scene.store(&a).await.unwrap();
    let held = hold(&scene, key(&stored_a)).await;
    let removing = async {
        // Behind the reference in the row's queue.
        scene.wait_for_waiting(1).await;
        scene.remove(&a).await.unwrap();
    };
    let released = async {
        scene.wait_for_waiting(2).await;
        held.rollback().await.unwrap();
    };
    let (stored_b, (), ()) = futures::join!(scene.store(&b), removing, released);
    assert_eq!(key(&stored_b.unwrap()), key(&stored_a));
    assert_eq!(scene.keys().await, [key(&stored_a)]);
    assert_eq!(scene.state_of(key(&stored_a)).await, "live");
    assert_eq!(scene.outcome(&a).await, "removed");
}

#[tokio::test]
async fn a_reference_that_comes_after_the_last_removal_was_decided_makes_an_object_of_its_own() {
    let scene = Scene::set().await;
    let (a, b) = (scene.staged(b"abc").await, scene.staged(b"abc").await);
    let stored_a = scene.store(&a).await.unwrap();
    let held = hold(&scene, key(&stored_a)).await;
    let storing = async {
        scene.wait_for_waiting(1).await;
        scene.store(&b).await.unwrap()
    };
    let released = async {
        scene.wait_for_waiting(2).await;
        held.rollback().await.unwrap();
    };
    let (removed, stored_b, ()) = futures::join!(scene.remove(&a), storing, released);
    removed.unwrap();
    assert_ne!(key(&stored_b), key(&stored_a));
    assert_eq!(scene.keys().await, [key(&stored_b)]);
    assert_eq!(scene.state_of(key(&stored_a)).await, "deleted");
}

#[tokio::test]
async fn a_copy_that_finds_another_one_live_at_its_last_step_yields_and_deletes_its_own() {
    let scene = Scene::set().await;
    let (a, b) = (scene.staged(b"abc").await, scene.staged(b"abc").await);
    // Another instance's copy, which becomes live in a transaction that is open when b's wants to.
    let winner = format!("{}/{}", a.sha256, a.id);
    let bytes = b"abc".to_vec();
    scene
        .files
        .store
        .put(&scene.files.bucket, &winner, bytes)
        .await
        .unwrap();
    let mut open = scene.owner.begin().await.unwrap();
    sqlx::query("INSERT INTO uploader.objects (key, sha256, size_bytes, state) VALUES ($1, $2, 3, 'live')")
        .bind(&winner)
        .bind(&a.sha256)
        .execute(&mut *open)
        .await
        .unwrap();
    let committed = async {
        scene.wait_for_waiting(1).await;
        assert_eq!(scene.keys().await.len(), 2, "both copies lie there");
        open.commit().await.unwrap();
    };
    let (stored_b, ()) = futures::join!(scene.store(&b), committed);
    assert_eq!(key(&stored_b.unwrap()), winner);
    assert_eq!(scene.keys().await, [winner]);
    assert_eq!(scene.state_of(&format!("{}/{}", b.sha256, b.id)).await, "deleted");
}

#[tokio::test]
async fn a_copy_that_a_sweep_gives_up_while_it_is_made_is_made_anew_under_another_key() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let hold = Arc::new(Hold::default());
    let mut files = scene.files.clone();
    files.store = store_at(&store_front(Copies::Held(Arc::clone(&hold))).await);
    let given_up = format!("{}/{}", upload.sha256, upload.id);
    let swept = async {
        // The copy is claimed and on its way, and does not get there before the sweep is through.
        hold.arrived.notified().await;
        let report = scene.sweep(Duration::ZERO).await;
        hold.go_on.notify_one();
        report
    };
    let (stored, report) = futures::join!(store_upload(&files, &upload, CommandId::generate()), swept);
    assert!(
        report
            .findings
            .iter()
            .any(|found| found.kind == FindingKind::StaleCopy && found.subject.ends_with(&given_up)),
        "{report:?}"
    );
    let anew = format!("{given_up}-1");
    assert_eq!(key(&stored.unwrap()), anew);
    assert_eq!(scene.keys().await, [anew], "what landed late is gone");
    assert_eq!(scene.state_of(&given_up).await, "deleted");
    assert_eq!(scene.told(&upload).await, ["depot.file.stored.v1"]);
    assert_eq!(scene.found().await, []);
}

#[tokio::test]
async fn a_deletion_that_lands_after_the_same_content_was_stored_again_deletes_its_own_key_only() {
    let scene = Scene::set().await;
    let a = scene.staged(b"abc").await;
    let stored_a = scene.store(&a).await.unwrap();
    // The deletion is under way, and its confirmation cannot be written yet.
    let deleted = async {
        scene.remove(&a).await.unwrap();
    };
    let held = hold_receipt(&scene, a.id).await;
    let stored = async {
        // Nothing of a's is decided yet; b refers to its object and lets go of it again.
        scene.wait_for_waiting(1).await;
        let b = scene.staged(b"abc").await;
        assert_eq!(key(&scene.store(&b).await.unwrap()), key(&stored_a));
        scene.remove(&b).await.unwrap();
        assert_eq!(
            scene.state_of(key(&stored_a)).await,
            "live",
            "a still refers to it"
        );
        held.rollback().await.unwrap();
    };
    futures::join!(deleted, stored);
    let c = scene.staged(b"abc").await;
    let stored_c = scene.store(&c).await.unwrap();
    assert_ne!(key(&stored_c), key(&stored_a));
    // Once more, as by an instance that was stopped before it asked the store.
    scene.remove(&a).await.unwrap();
    assert_eq!(scene.keys().await, [key(&stored_c)]);
}

async fn hold_receipt(scene: &Scene, upload: uuid::Uuid) -> Transaction<'static, Postgres> {
    let mut held = scene.owner.begin().await.unwrap();
    sqlx::query("SELECT FROM uploader.receipts WHERE upload_id = $1 FOR UPDATE")
        .bind(upload)
        .execute(&mut *held)
        .await
        .unwrap();
    held
}

#[tokio::test]
async fn a_reference_and_the_last_removal_at_once_never_leave_a_reference_without_its_object() {
    let scene = Scene::set().await;
    for _ in 0..10 {
        let (a, b) = (scene.staged(b"abc").await, scene.staged(b"abc").await);
        scene.store(&a).await.unwrap();
        let (removed, stored) = futures::join!(scene.remove(&a), scene.store(&b));
        removed.unwrap();
        let stored = match stored {
            Ok(stored) => stored,
            Err(_) => scene.store(&b).await.unwrap(),
        };
        scene
            .files
            .store
            .head(&scene.files.bucket, key(&stored))
            .await
            .expect("b's object is there");
        scene.remove(&b).await.unwrap();
    }
    assert!(scene.keys().await.is_empty());
}
