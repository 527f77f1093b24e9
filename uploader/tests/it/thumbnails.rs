//! A thumbnail is an object by the same rules as its file, told in the same fact, and goes with it.

use std::time::Duration;

use depot_domain::CommandId;
use depot_schemas::{ThumbnailState, UploadState};
use image::ImageFormat;
use uploader::{Files, Stored, ThumbnailLimits, Thumbnails, remove_upload, store_upload};

use crate::{
    pictures::{picture, png},
    scene::{Scene, announced},
};

const STORED: &str = "depot.file.stored.v1";
const REMOVED: &str = "depot.file.removed.v1";

async fn staged(scene: &Scene, content: &[u8], content_type: &str) -> UploadState {
    let upload = UploadState {
        content_type: content_type.to_owned(),
        ..announced(content)
    };
    scene.stage(&upload, content).await;
    upload
}

fn key(stored: &Stored) -> &str {
    match stored {
        Stored::Stored { object_key } => object_key,
        other => panic!("{other:?}"),
    }
}

/// What was told of the upload's thumbnail.
async fn told(scene: &Scene, upload: &UploadState) -> Option<ThumbnailState> {
    let mut fact = scene.fact(upload).await;
    let thumbnail = fact.as_object_mut().unwrap().remove("thumbnail");
    thumbnail.map(|thumbnail| serde_json::from_value(thumbnail).unwrap())
}

async fn content(scene: &Scene, key: &str) -> Vec<u8> {
    let files = &scene.files;
    let mut reading = files.store.open(&files.bucket, key, None).await.unwrap();
    let mut content = Vec::new();
    while let Some(piece) = reading.next().await.unwrap() {
        content.extend_from_slice(&piece);
    }
    content
}

#[tokio::test]
async fn a_picture_is_stored_with_its_thumbnail_and_both_are_told_at_once() {
    let scene = Scene::set().await;
    for (seed, format, content_type) in [
        (1, ImageFormat::Png, "image/png"),
        (2, ImageFormat::Jpeg, "image/jpeg"),
        (3, ImageFormat::WebP, "image/webp"),
    ] {
        let upload = staged(&scene, &picture(seed, format), content_type).await;
        let stored = scene.store(&upload).await.unwrap();
        assert_eq!(scene.told(&upload).await, [STORED]);
        let thumbnail = told(&scene, &upload).await.expect("a thumbnail");
        assert_eq!((thumbnail.width, thumbnail.height), (320, 240));
        assert_eq!(thumbnail.content_type, "image/jpeg");
        assert_eq!(
            thumbnail.object_key,
            format!("{}/{}", thumbnail.sha256, upload.id)
        );
        let bytes = content(&scene, &thumbnail.object_key).await;
        assert_eq!(thumbnail.size_bytes, bytes.len() as i64);
        assert_eq!(announced(&bytes).sha256, thumbnail.sha256);
        assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 320);
        for key in [key(&stored), &thumbnail.object_key] {
            assert_eq!(scene.state_of(key).await, "live");
        }
    }
    assert_eq!(scene.keys().await.len(), 6, "each file and its thumbnail");
    assert!(scene.staged_keys().await.is_empty());
    assert!(scene.sweep(Duration::ZERO).await.findings.is_empty());
    assert_eq!(
        scene.keys().await.len(),
        6,
        "the sweep takes no thumbnail for a stray"
    );
}

#[tokio::test]
async fn a_thumbnail_goes_with_its_file_and_that_is_told_when_both_are_gone() {
    let scene = Scene::set().await;
    let upload = staged(&scene, &png(1), "image/png").await;
    let stored = scene.store(&upload).await.unwrap();
    let thumbnail = told(&scene, &upload).await.unwrap();
    scene.remove(&upload).await.unwrap();
    scene.remove(&upload).await.unwrap();
    assert_eq!(scene.told(&upload).await, [STORED, REMOVED]);
    assert_eq!(told(&scene, &upload).await, None);
    assert!(scene.keys().await.is_empty());
    for key in [key(&stored), &thumbnail.object_key] {
        assert_eq!(scene.state_of(key).await, "deleted");
    }
    // A late question to store changes nothing.
    scene.stage(&upload, &png(1)).await;
    assert_eq!(scene.store(&upload).await.unwrap(), Stored::KnownAlready);
    assert!(scene.keys().await.is_empty());
}

#[tokio::test]
async fn two_uploads_of_one_picture_share_both_objects_until_the_last_is_removed() {
    let scene = Scene::set().await;
    let a = staged(&scene, &png(1), "image/png").await;
    let b = staged(&scene, &png(1), "image/png").await;
    let (stored_a, stored_b) = (scene.store(&a).await.unwrap(), scene.store(&b).await.unwrap());
    assert_eq!(key(&stored_a), key(&stored_b));
    assert_eq!(told(&scene, &a).await, told(&scene, &b).await);
    assert_eq!(scene.keys().await.len(), 2);
    scene.remove(&a).await.unwrap();
    assert_eq!(scene.keys().await.len(), 2, "b still refers to both");
    scene.remove(&b).await.unwrap();
    assert!(scene.keys().await.is_empty());
}

#[tokio::test]
async fn a_thumbnail_that_another_file_is_the_same_as_is_kept_for_it() {
    let scene = Scene::set().await;
    let upload = staged(&scene, &png(1), "image/png").await;
    scene.store(&upload).await.unwrap();
    let thumbnail = told(&scene, &upload).await.unwrap();
    // Somebody saves the thumbnail, and uploads it as a file of no type.
    let saved = content(&scene, &thumbnail.object_key).await;
    let copy = staged(&scene, &saved, "application/octet-stream").await;
    let stored = scene.store(&copy).await.unwrap();
    assert_eq!(key(&stored), thumbnail.object_key, "one content lies there once");
    scene.remove(&upload).await.unwrap();
    assert_eq!(scene.keys().await, [thumbnail.object_key.as_str()]);
    // And the other way round: the file goes, the thumbnail of another one stays.
    let again = staged(&scene, &png(1), "image/png").await;
    scene.store(&again).await.unwrap();
    scene.remove(&copy).await.unwrap();
    assert_eq!(scene.keys().await.len(), 2);
    assert_eq!(scene.state_of(&thumbnail.object_key).await, "live");
    scene.remove(&again).await.unwrap();
    assert!(scene.keys().await.is_empty());
}

#[tokio::test]
async fn a_picture_that_is_its_own_thumbnail_is_one_object() {
    let scene = Scene::set().await;
    // Lossless, small, and not opaque.
    let glass = image::RgbaImage::from_fn(30, 20, |x, y| image::Rgba([x as u8, y as u8, 7, 99]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(glass)
        .write_to(&mut bytes, ImageFormat::WebP)
        .unwrap();
    let upload = staged(&scene, &bytes.into_inner(), "image/webp").await;
    let stored = scene.store(&upload).await.unwrap();
    let thumbnail = told(&scene, &upload).await.unwrap();
    assert_eq!(thumbnail.sha256, upload.sha256, "the encoder is the same");
    assert_eq!(thumbnail.object_key, key(&stored));
    assert_eq!(scene.keys().await.len(), 1);
    let shares = UploadState {
        id: uuid::Uuid::now_v7(),
        ..upload.clone()
    };
    scene.stage(&shares, &content(&scene, key(&stored)).await).await;
    scene.store(&shares).await.unwrap();
    scene.remove(&upload).await.unwrap();
    assert_eq!(scene.keys().await.len(), 1);
    scene.remove(&shares).await.unwrap();
    assert!(scene.keys().await.is_empty());
}

#[tokio::test]
async fn a_thumbnail_whose_deletion_was_decided_is_made_anew_under_another_key() {
    let scene = Scene::set().await;
    let a = staged(&scene, &png(1), "image/png").await;
    scene.store(&a).await.unwrap();
    let thumbnail = told(&scene, &a).await.unwrap();
    sqlx::query("UPDATE uploader.objects SET state = 'deleting' WHERE key = $1")
        .bind(&thumbnail.object_key)
        .execute(&scene.owner)
        .await
        .unwrap();
    let b = staged(&scene, &png(1), "image/png").await;
    scene.store(&b).await.unwrap();
    let anew = told(&scene, &b).await.unwrap();
    assert_eq!(anew.sha256, thumbnail.sha256);
    assert_ne!(anew.object_key, thumbnail.object_key);
    // The deletion lands, late.
    scene.remove(&a).await.unwrap();
    assert!(scene.keys().await.contains(&anew.object_key));
    assert_eq!(scene.keys().await.len(), 2);
}

#[tokio::test]
async fn of_many_stores_of_one_picture_at_once_one_of_each_object_is_kept() {
    let scene = Scene::set().await;
    let mut uploads = Vec::new();
    for _ in 0..8 {
        uploads.push(staged(&scene, &png(1), "image/png").await);
    }
    let stores = uploads.iter().map(|upload| scene.store(upload));
    for stored in futures::future::join_all(stores).await {
        stored.unwrap();
    }
    let first = told(&scene, &uploads[0]).await;
    for upload in &uploads {
        assert_eq!(told(&scene, upload).await, first);
    }
    assert_eq!(scene.keys().await.len(), 2, "the losers deleted their own");
}

#[tokio::test]
async fn a_picture_that_gets_no_thumbnail_is_stored_without_one() {
    let scene = Scene::set().await;
    let whole = png(1);
    let mut claims = whole.clone();
    // Its header claims 30,000 × 30,000; the checksum of the header doesn't fit any more, and is not looked at first.
    claims[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let cut_off = &whole[..whole.len() / 2];
    for bytes in [&claims[..], cut_off] {
        let upload = staged(&scene, bytes, "image/png").await;
        assert!(matches!(
            scene.store(&upload).await.unwrap(),
            Stored::Stored { .. }
        ));
        assert_eq!(scene.told(&upload).await, [STORED]);
        assert_eq!(told(&scene, &upload).await, None);
    }
    // Too large by its bytes, by its pixels; and no picture.
    let small = ThumbnailLimits::default();
    for limits in [
        ThumbnailLimits {
            max_input_bytes: 10,
            ..small
        },
        ThumbnailLimits {
            max_pixels: 640 * 480 - 1,
            ..small
        },
    ] {
        let files = Files {
            thumbnails: Thumbnails::new(limits),
            ..scene.files.clone()
        };
        let upload = staged(&scene, &png(2), "image/png").await;
        store_upload(&files, &upload, CommandId::generate())
            .await
            .unwrap();
        assert_eq!(told(&scene, &upload).await, None);
    }
    let text = staged(&scene, b"abc", "text/plain").await;
    scene.store(&text).await.unwrap();
    assert_eq!(told(&scene, &text).await, None);
    let untyped = staged(&scene, &png(3), "application/octet-stream").await;
    scene.store(&untyped).await.unwrap();
    assert_eq!(told(&scene, &untyped).await, None);
    // Each goes as it came.
    let count = scene.keys().await.len();
    remove_upload(&scene.files, &text, CommandId::generate())
        .await
        .unwrap();
    assert_eq!(scene.keys().await.len(), count - 1);
}

#[tokio::test]
async fn a_question_that_is_asked_again_is_answered_with_the_same_thumbnail() {
    let scene = Scene::set().await;
    let upload = staged(&scene, &png(1), "image/png").await;
    scene.store(&upload).await.unwrap();
    let first = told(&scene, &upload).await;
    let again = UploadState {
        version: upload.version + 1,
        ..upload.clone()
    };
    assert_eq!(scene.store(&again).await.unwrap(), Stored::KnownAlready);
    assert_eq!(scene.told(&upload).await, [STORED, STORED]);
    assert_eq!(scene.fact(&upload).await["version"], 2);
    assert_eq!(told(&scene, &upload).await, first);
    assert!(first.is_some());
}
