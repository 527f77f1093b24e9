use uploader::Stored;

use crate::scene::Scene;

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
