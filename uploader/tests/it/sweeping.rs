use std::time::Duration;

use depot_object_store::PROBE_PREFIX;
use uploader::{Swept, sweep};
use uuid::Uuid;

use crate::scene::Scene;

/// For what a test has just planted to count as old. A server's `last_modified` has whole seconds.
const NO_GRACE: Duration = Duration::ZERO;

#[tokio::test]
async fn a_sweep_of_a_healthy_system_finds_nothing() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    scene.store(&upload).await.unwrap();
    // Announced, sent, and not completed yet.
    scene.staged(b"def").await;
    assert_eq!(sweep(&scene.files, NO_GRACE).await.unwrap(), Swept::default());
    assert_eq!(
        (scene.keys().await.len(), scene.staged_keys().await.len()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_sweep_mends_each_kind_of_leftover() {
    let scene = Scene::set().await;
    let kept = scene.staged(b"kept").await;
    scene.store(&kept).await.unwrap();
    // A PUT that landed after the upload was concluded.
    scene.stage(&kept, b"late").await;
    // A copy that nobody finished, and an object that nobody knows.
    for (key, row) in [("aa/unfinished", true), ("bb/stray", false)] {
        scene
            .files
            .store
            .put(&scene.files.bucket, key, b"x".to_vec())
            .await
            .unwrap();
        if row {
            sqlx::query(
                "INSERT INTO uploader.objects (key, sha256, size_bytes, state, updated_at)
                 VALUES ($1, 'aa', 1, 'copying', now() - interval '1 hour')",
            )
            .bind(key)
            .execute(&scene.owner)
            .await
            .unwrap();
        }
    }
    // Left by a process that was killed while it tried the store at its start.
    let probe = format!("{PROBE_PREFIX}x");
    let put = scene.files.store.put(&scene.files.staging, &probe, b"x".to_vec());
    put.await.unwrap();
    let swept = sweep(&scene.files, NO_GRACE).await.unwrap();
    assert_eq!(
        swept,
        Swept {
            staged: 2,
            multiparts: 0,
            stale_copies: 1,
            strays: 1,
            deletions: 2
        }
    );
    assert_eq!(scene.keys().await.len(), 1, "what is referred to stays");
    assert!(scene.staged_keys().await.is_empty());
    assert_eq!(sweep(&scene.files, NO_GRACE).await.unwrap(), Swept::default());
}

#[tokio::test]
async fn what_is_younger_than_the_grace_is_left_alone() {
    let scene = Scene::set().await;
    scene
        .files
        .store
        .put(
            &scene.files.bucket,
            &format!("aa/{}", Uuid::now_v7()),
            b"x".to_vec(),
        )
        .await
        .unwrap();
    let swept = sweep(&scene.files, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(swept, Swept::default());
    assert_eq!(scene.keys().await.len(), 1);
}

#[tokio::test]
async fn a_copy_that_lands_after_its_deletion_was_confirmed_is_swept() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    scene.store(&upload).await.unwrap();
    scene.remove(&upload).await.unwrap();
    let key = format!("{}/{}", upload.sha256, upload.id);
    assert_eq!(scene.state_of(&key).await, "deleted");
    let late = scene.files.store.put(&scene.files.bucket, &key, b"abc".to_vec());
    late.await.unwrap();
    let swept = sweep(&scene.files, NO_GRACE).await.unwrap();
    assert_eq!((swept.strays, swept.deletions), (1, 1));
    assert!(scene.keys().await.is_empty());
    assert_eq!(scene.state_of(&key).await, "deleted");
}
