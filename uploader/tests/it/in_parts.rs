//! Files that were sent in parts.

use std::time::Duration;

use depot_object_store::{Completion, CopyConditions, MIN_PART_BYTES, Part};
use depot_schemas::{MultipartState, UploadState};
use uploader::{Stored, Swept, sweep};

use crate::scene::{Scene, announced};

const PART: usize = MIN_PART_BYTES as usize;
const STORED: &str = "depot.file.stored.v1";
const REJECTED: &str = "depot.file.rejected.v1";
const REMOVED: &str = "depot.file.removed.v1";

/// Three parts, of which the last is short; text, as announced.
fn content() -> Vec<u8> {
    (0..2 * PART + 1_000).map(|i| b' ' + (i % 89) as u8).collect()
}

impl Scene {
    /// An announced upload of `content` that takes parts.
    async fn begun(&self, content: &[u8]) -> UploadState {
        let upload = announced(content);
        let key = upload.id.to_string();
        let begun = self
            .files
            .store
            .begin_multipart(&self.files.staging, &key, "text/plain");
        let multipart = Some(MultipartState {
            id: begun.await.unwrap(),
            part_size_bytes: MIN_PART_BYTES,
        });
        UploadState { multipart, ..upload }
    }

    async fn send_part(&self, upload: &UploadState, number: i32, content: &[u8]) -> Part {
        let (key, id) = (upload.id.to_string(), &upload.multipart.as_ref().unwrap().id);
        let content = bytes::Bytes::copy_from_slice(content);
        let sent = self
            .files
            .store
            .send_part(&self.files.staging, &key, id, number, content);
        sent.await.unwrap()
    }

    /// All parts, the last one first.
    async fn send_parts(&self, upload: &UploadState, content: &[u8]) -> Vec<Part> {
        let pieces: Vec<_> = (1..).zip(content.chunks(PART)).collect();
        let mut sent = Vec::new();
        for (number, piece) in pieces.into_iter().rev() {
            sent.insert(0, self.send_part(upload, number, piece).await);
        }
        sent
    }

    /// Neither an object in staging nor parts of one.
    async fn staging_is_empty(&self) {
        assert!(self.staged_keys().await.is_empty());
        let open = self
            .files
            .store
            .open_multiparts(&self.files.staging, None)
            .await
            .unwrap();
        assert!(open.open.is_empty(), "{open:?}");
    }

    async fn told_reason(&self, upload: &UploadState) -> (String, String) {
        sqlx::query_as(
            "SELECT convert_from(payload, 'UTF8')::jsonb->'file'->>'reason',
                    convert_from(payload, 'UTF8')::jsonb->'file'->>'detail'
             FROM uploader.outbox WHERE aggregate_id = $1",
        )
        .bind(upload.id)
        .fetch_one(&self.owner)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn parts_sent_in_any_order_are_stored_as_one_file_once() {
    let mut scene = Scene::set().await;
    for conditions in [CopyConditions::Honoured, CopyConditions::Ignored] {
        scene.files.copy_conditions = conditions;
        let mut content = content();
        content[0] = b'1' + conditions as u8;
        let upload = scene.begun(&content).await;
        // A part that is sent again: the later one counts.
        scene.send_part(&upload, 1, &vec![0; PART]).await;
        scene.send_parts(&upload, &content).await;
        assert!(matches!(
            scene.store(&upload).await.unwrap(),
            Stored::Stored { .. }
        ));
        assert_eq!(scene.store(&upload).await.unwrap(), Stored::KnownAlready);
        assert_eq!(scene.told(&upload).await, [STORED]);
        scene.staging_is_empty().await;
        let key = format!("{}/{}", upload.sha256, upload.id);
        let stored = scene
            .files
            .store
            .open(&scene.files.bucket, &key, None)
            .await
            .unwrap();
        assert_eq!(stored.digest().await.unwrap().size_bytes, upload.size_bytes);
    }
}

#[tokio::test]
async fn an_upload_completed_by_an_attempt_that_was_cut_off_goes_on_from_what_lies_in_staging() {
    let scene = Scene::set().await;
    let content = content();
    let upload = scene.begun(&content).await;
    let parts = scene.send_parts(&upload, &content).await;
    let (key, id) = (upload.id.to_string(), &upload.multipart.as_ref().unwrap().id);
    let completed = scene
        .files
        .store
        .complete_multipart(&scene.files.staging, &key, id, &parts)
        .await;
    assert_eq!(completed.unwrap(), Completion::Completed);
    assert!(matches!(
        scene.store(&upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    scene.staging_is_empty().await;
}

#[tokio::test]
async fn several_instances_at_once_make_one_file_of_the_parts() {
    let scene = Scene::set().await;
    let content = content();
    let upload = scene.begun(&content).await;
    scene.send_parts(&upload, &content).await;
    let (a, b, c) = futures::join!(scene.store(&upload), scene.store(&upload), scene.store(&upload));
    for stored in [a, b, c] {
        // A store may answer 500 where what is read goes in the midst of it. The work then comes again.
        let stored = match stored {
            Err(_) => scene.store(&upload).await,
            done => done,
        };
        assert!(matches!(
            stored.unwrap(),
            Stored::Stored { .. } | Stored::KnownAlready
        ));
    }
    assert_eq!(scene.told(&upload).await, [STORED]);
    scene.staging_is_empty().await;
}

#[tokio::test]
async fn parts_that_are_missing_of_another_size_or_of_another_file_are_rejected_and_nothing_is_left() {
    let scene = Scene::set().await;
    let content = content();

    let none = scene.begun(&content).await;
    let missing = scene.begun(&content).await;
    scene.send_part(&missing, 1, &content[..PART]).await;
    scene.send_part(&missing, 3, &content[2 * PART..]).await;
    let too_small = scene.begun(&content).await;
    scene.send_part(&too_small, 1, &content[..PART]).await;
    scene.send_part(&too_small, 2, b"too small for a part").await;
    scene.send_part(&too_small, 3, &content[2 * PART..]).await;
    let swapped = scene.begun(&content).await;
    scene.send_part(&swapped, 1, &content[PART..2 * PART]).await;
    scene.send_part(&swapped, 2, &content[..PART]).await;
    scene.send_part(&swapped, 3, &content[2 * PART..]).await;

    let cases = [
        (none, "parts_missing", "3 of 3 parts have not arrived (1, 2, 3)"),
        (missing, "parts_missing", "1 of 3 parts have not arrived (2)"),
        (too_small, "size_mismatch", "1 of 3 parts have another size (2)"),
        (swapped, "checksum_mismatch", "the uploaded file has the SHA-256"),
    ];
    for (upload, reason, detail) in &cases {
        assert_eq!(scene.store(upload).await.unwrap(), Stored::Rejected, "{reason}");
        assert_eq!(scene.store(upload).await.unwrap(), Stored::KnownAlready);
        assert_eq!(scene.told(upload).await, [REJECTED]);
        let told = scene.told_reason(upload).await;
        assert!(told.0 == *reason && told.1.contains(detail), "{told:?}");
    }
    scene.staging_is_empty().await;
    assert!(scene.keys().await.is_empty());
}

#[tokio::test]
async fn a_cancelled_upload_leaves_no_part() {
    let scene = Scene::set().await;
    let content = content();
    let upload = scene.begun(&content).await;
    scene.send_part(&upload, 1, &content[..PART]).await;
    scene.remove(&upload).await.unwrap();
    scene.remove(&upload).await.unwrap();
    scene.staging_is_empty().await;
    assert_eq!(scene.store(&upload).await.unwrap(), Stored::KnownAlready);
    assert_eq!(scene.told(&upload).await, [REMOVED]);
}

#[tokio::test]
async fn a_file_that_was_sent_whole_after_all_is_stored_and_its_parts_are_dropped() {
    let scene = Scene::set().await;
    let content = content();
    let upload = scene.begun(&content).await;
    scene.send_part(&upload, 1, &content[..PART]).await;
    scene.stage(&upload, &content).await;
    assert!(matches!(
        scene.store(&upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    scene.staging_is_empty().await;
}

#[tokio::test]
async fn a_sweep_aborts_what_nobody_will_end_and_leaves_what_still_takes_parts() {
    let scene = Scene::set().await;
    let (store, staging) = (&scene.files.store, scene.files.staging.as_str());
    let pending = scene.begun(&content()).await;
    scene.send_part(&pending, 1, b"still being sent").await;
    // Begun by a request that was cut off, or lost to another one at the same time.
    let concluded = scene.staged(b"abc").await;
    scene.store(&concluded).await.unwrap();
    store
        .begin_multipart(staging, &concluded.id.to_string(), "text/plain")
        .await
        .unwrap();
    // Of a copy that went through a process which was killed.
    store
        .begin_multipart(&scene.files.bucket, "aa/bb", "text/plain")
        .await
        .unwrap();

    let young = sweep(&scene.files, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(young, Swept::default());
    let swept = sweep(&scene.files, Duration::ZERO).await.unwrap();
    assert_eq!(
        swept,
        Swept {
            multiparts: 2,
            ..Swept::default()
        }
    );
    let open = store.open_multiparts(staging, None).await.unwrap().open;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].id, pending.multipart.as_ref().unwrap().id);
    assert!(
        store
            .open_multiparts(&scene.files.bucket, None)
            .await
            .unwrap()
            .open
            .is_empty()
    );
    assert_eq!(
        sweep(&scene.files, Duration::ZERO).await.unwrap(),
        Swept::default()
    );
}
