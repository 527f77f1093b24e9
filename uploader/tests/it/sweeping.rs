//! What a sweep finds: each kind of damage is planted, seen without being touched, and then mended.

use std::time::Duration;

use depot_object_store::PROBE_PREFIX;
use depot_schemas::sweep::FindingKind;
use uuid::Uuid;

use crate::scene::{Scene, announced, kinds_and_subjects};

/// For what a test has just planted to count as old. A server's `last_modified` has whole seconds.
const NO_GRACE: Duration = Duration::ZERO;

impl Scene {
    fn in_files(&self, key: &str) -> String {
        format!("{}/{key}", self.files.bucket)
    }

    fn in_staging(&self, key: impl ToString) -> String {
        format!("{}/{}", self.files.staging, key.to_string())
    }

    async fn put_file(&self, key: &str) {
        let put = self.files.store.put(&self.files.bucket, key, b"x".to_vec());
        put.await.unwrap();
    }

    async fn plant_object(&self, key: &str, state: &str) {
        sqlx::query(
            "INSERT INTO uploader.objects (key, sha256, size_bytes, state, updated_at)
             VALUES ($1, $1, 1, $2, now() - interval '1 hour')",
        )
        .bind(key)
        .bind(state)
        .execute(&self.owner)
        .await
        .unwrap();
    }

    async fn set_state(&self, key: &str, state: &str) {
        sqlx::query("UPDATE uploader.objects SET state = $2 WHERE key = $1")
            .bind(key)
            .bind(state)
            .execute(&self.owner)
            .await
            .unwrap();
    }

    /// Everything on record, and everything that lies in both buckets.
    async fn everything(&self) -> String {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT o::text FROM uploader.objects o UNION ALL SELECT r::text FROM uploader.receipts r
             UNION ALL SELECT f.id::text FROM uploader.outbox f ORDER BY 1",
        )
        .fetch_all(&self.owner)
        .await
        .unwrap();
        format!("{rows:?} {:?} {:?}", self.keys().await, self.staged_keys().await)
    }

    /// A dry run sees `expected` and nothing else, and changes nothing; a sweep then mends what `is_mended` says, and a
    /// second one finds the rest again, and only that.
    async fn is_found_and(&self, is_mended: bool, expected: &[(FindingKind, String)]) {
        let before = self.everything().await;
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(self.found().await, expected);
        assert_eq!(self.everything().await, before, "a dry run changes nothing");
        let report = self.sweep(NO_GRACE).await;
        assert_eq!(kinds_and_subjects(&report), expected);
        assert!(
            report.findings.iter().all(|finding| finding.mended == is_mended),
            "{report:?}"
        );
        let rest = if is_mended { Vec::new() } else { expected };
        assert_eq!(self.found().await, rest);
    }
}

#[tokio::test]
async fn a_sweep_of_a_healthy_system_finds_nothing() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    scene.store(&upload).await.unwrap();
    let shared = scene.staged(b"abc").await;
    scene.store(&shared).await.unwrap();
    // Announced, sent, and not completed yet.
    scene.staged(b"def").await;
    let gone = scene.staged(b"ghi").await;
    scene.store(&gone).await.unwrap();
    scene.remove(&gone).await.unwrap();
    scene.is_found_and(true, &[]).await;
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
    // Left by a process that was killed while it tried the store at its start.
    let probe = format!("{PROBE_PREFIX}x");
    let put = scene.files.store.put(&scene.files.staging, &probe, b"x".to_vec());
    put.await.unwrap();
    // A copy that nobody finished, an object that nobody knows, a deletion that a crash interrupted, and an object
    // whose receipt is gone.
    for key in ["aa/unfinished", "bb/stray", "cc/decided", "dd/unreferenced"] {
        scene.put_file(key).await;
    }
    scene.plant_object("aa/unfinished", "copying").await;
    scene.plant_object("cc/decided", "deleting").await;
    scene.plant_object("dd/unreferenced", "live").await;
    let expected = [
        (FindingKind::StagedLeftover, scene.in_staging(kept.id)),
        (FindingKind::StagedLeftover, scene.in_staging(probe)),
        (FindingKind::StaleCopy, scene.in_files("aa/unfinished")),
        (FindingKind::StrayObject, scene.in_files("bb/stray")),
        (FindingKind::UnconfirmedDeletion, scene.in_files("cc/decided")),
        (FindingKind::UnreferencedObject, scene.in_files("dd/unreferenced")),
    ];
    scene.is_found_and(true, &expected).await;
    assert_eq!(scene.keys().await.len(), 1, "what is referred to stays");
    assert!(scene.staged_keys().await.is_empty());
    for key in ["aa/unfinished", "bb/stray", "cc/decided", "dd/unreferenced"] {
        assert_eq!(scene.state_of(key).await, "deleted", "{key}");
    }
}

#[tokio::test]
async fn a_reference_whose_object_is_gone_is_told_and_left() {
    let scene = Scene::set().await;
    let (lost, unfit) = (scene.staged(b"lost").await, scene.staged(b"unfit").await);
    for upload in [&lost, &unfit] {
        scene.store(upload).await.unwrap();
    }
    let key = |upload: &depot_schemas::UploadState| format!("{}/{}", upload.sha256, upload.id);
    scene
        .files
        .store
        .delete(&scene.files.bucket, &key(&lost))
        .await
        .unwrap();
    // Somebody decided the deletion of what is referred to, by hand: the object goes, the reference is told.
    scene.set_state(&key(&unfit), "deleted").await;
    scene
        .files
        .store
        .delete(&scene.files.bucket, &key(&unfit))
        .await
        .unwrap();
    let expected = [
        (FindingKind::MissingObject, scene.in_files(&key(&lost))),
        (FindingKind::ReceiptWithoutObject, unfit.id.to_string()),
    ];
    scene.is_found_and(false, &expected).await;
    let report = scene.sweep(NO_GRACE).await;
    for finding in &report.findings {
        assert!(finding.detail.contains("backup"), "says what to do: {finding:?}");
    }
    assert_eq!(
        scene.outcome(&lost).await,
        "stored",
        "nothing is given up by itself"
    );
}

#[tokio::test]
async fn what_is_missing_is_found_on_every_page_of_the_bucket() {
    let scene = Scene::set().await;
    // More than a page of a listing, with every tenth gone.
    let mut expected = Vec::new();
    let mut puts = Vec::new();
    for n in 0..1_150 {
        let key = format!("{n:04}/k");
        scene.plant_object(&key, "live").await;
        sqlx::query(
            "INSERT INTO uploader.receipts (upload_id, item_id, outcome, object_key, version)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'stored', $1, 1)",
        )
        .bind(&key)
        .execute(&scene.owner)
        .await
        .unwrap();
        if n % 10 == 0 {
            expected.push((FindingKind::MissingObject, scene.in_files(&key)));
        } else {
            puts.push(key);
        }
    }
    for some in puts.chunks(50) {
        futures::future::join_all(some.iter().map(|key| scene.put_file(key))).await;
    }
    assert_eq!(scene.found().await, expected);
}

#[tokio::test]
async fn what_is_younger_than_the_grace_is_left_alone() {
    let scene = Scene::set().await;
    let grace = Duration::from_secs(3600);
    let done = scene.staged(b"done").await;
    scene.store(&done).await.unwrap();
    scene.stage(&done, b"late").await;
    let young = Uuid::now_v7();
    for (key, state) in [
        (format!("aa/{young}"), None),
        (format!("bb/{young}"), Some("copying")),
        (format!("dd/{young}"), Some("live")),
    ] {
        scene.put_file(&key).await;
        if let Some(state) = state {
            scene.plant_object(&key, state).await;
        }
    }
    sqlx::query("UPDATE uploader.objects SET updated_at = now() - interval '59 minutes'")
        .execute(&scene.owner)
        .await
        .unwrap();
    let report = scene.sweep(grace).await;
    assert_eq!((report.found, report.findings), (0, Vec::new()));
    assert_eq!(
        (scene.keys().await.len(), scene.staged_keys().await.len()),
        (4, 1)
    );
    assert_eq!(scene.found().await.len(), 4, "by their age alone");
}

/// Whoever decides a deletion carries it out at once: to find it under way is no finding, and to help is no harm.
#[tokio::test]
async fn a_deletion_under_way_is_no_finding() {
    let scene = Scene::set().await;
    scene.put_file("cc/decided").await;
    scene.plant_object("cc/decided", "deleting").await;
    let report = scene.sweep(Duration::from_secs(7_200)).await;
    assert_eq!(report.found, 0);
    assert_eq!(scene.state_of("cc/decided").await, "deleted");
}

/// The sweep sees an object without a receipt, and an upload refers to it before its deletion is decided.
#[tokio::test]
async fn an_object_that_is_referred_to_at_the_same_moment_stays() {
    let scene = Scene::set().await;
    for round in 0..12 {
        let content = format!("content {round}");
        let first = scene.staged(content.as_bytes()).await;
        scene.store(&first).await.unwrap();
        let second = scene.staged(content.as_bytes()).await;
        sqlx::query("DELETE FROM uploader.receipts WHERE upload_id = $1")
            .bind(first.id)
            .execute(&scene.owner)
            .await
            .unwrap();
        let (stored, _) = tokio::join!(scene.store(&second), scene.sweep(NO_GRACE));
        stored.unwrap();
        let key: String = sqlx::query_scalar("SELECT object_key FROM uploader.receipts WHERE upload_id = $1")
            .bind(second.id)
            .fetch_one(&scene.owner)
            .await
            .unwrap();
        assert_eq!(scene.state_of(&key).await, "live", "round {round}");
        assert!(scene.keys().await.contains(&key), "round {round}");
    }
    assert_eq!(scene.found().await, []);
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
    let expected = [(FindingKind::StrayObject, scene.in_files(&key))];
    scene.is_found_and(true, &expected).await;
    assert!(scene.keys().await.is_empty());
    assert_eq!(scene.state_of(&key).await, "deleted");
}

#[tokio::test]
async fn what_is_forgotten_goes_is_told_to_nobody_and_never_comes_back() {
    let scene = Scene::set().await;
    let (stored, shared, sent) = (
        scene.staged(b"abc").await,
        scene.staged(b"abc").await,
        scene.staged(b"def").await,
    );
    scene.store(&stored).await.unwrap();
    scene.store(&shared).await.unwrap();
    let told = (scene.told(&stored).await, scene.told(&sent).await);
    assert!(uploader::forget(&scene.files, stored.id).await.unwrap());
    assert_eq!(scene.keys().await.len(), 1, "the other upload has it");
    assert!(uploader::forget(&scene.files, shared.id).await.unwrap());
    assert!(scene.keys().await.is_empty());
    assert!(!uploader::forget(&scene.files, sent.id).await.unwrap());
    assert!(
        !uploader::forget(&scene.files, sent.id).await.unwrap(),
        "once more"
    );
    assert_eq!((scene.told(&stored).await, scene.told(&sent).await), told);
    assert_eq!(scene.found().await, []);
    assert!(scene.staged_keys().await.is_empty());
    // A question that comes after all stores nothing.
    scene.stage(&sent, b"def").await;
    scene.store(&sent).await.unwrap();
    assert_eq!(scene.outcome(&sent).await, "cancelled");
    assert!(scene.keys().await.is_empty());
    let unheard = announced(b"ghi");
    assert!(!uploader::forget(&scene.files, unheard.id).await.unwrap());
}
