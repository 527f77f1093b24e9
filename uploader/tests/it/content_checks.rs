use depot_schemas::UploadState;
use uploader::Stored;

use crate::scene::{Scene, announced};

const REJECTED: &str = "depot.file.rejected.v1";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn announced_as(content: &[u8], content_type: &str) -> UploadState {
    UploadState {
        content_type: content_type.to_owned(),
        ..announced(content)
    }
}

#[tokio::test]
async fn a_file_whose_bytes_are_of_another_type_is_rejected_and_leaves_nothing() {
    let scene = Scene::set().await;
    for (content, announced) in [
        (PNG, "image/jpeg"),
        (PNG, "text/plain"),
        (b"<script>alert(1)</script>", "image/png"),
        (b"MZ\x90\0\x03\0\0\0", "application/pdf"),
    ] {
        let upload = announced_as(content, announced);
        scene.stage(&upload, content).await;
        assert_eq!(
            scene.store(&upload).await.unwrap(),
            Stored::Rejected,
            "{announced}"
        );
        assert_eq!(scene.store(&upload).await.unwrap(), Stored::KnownAlready);
        assert_eq!(scene.told(&upload).await, [REJECTED]);
        let file = scene.fact(&upload).await;
        assert_eq!(file["reason"], "content_type_mismatch");
        let detail = file["detail"].as_str().unwrap();
        assert!(detail.contains(announced), "{detail}");
        assert_eq!(file["sha256"], upload.sha256);
    }
    assert!(scene.keys().await.is_empty() && scene.staged_keys().await.is_empty());
}

#[tokio::test]
async fn content_that_is_there_already_is_compared_with_each_announcement() {
    let scene = Scene::set().await;
    let upload = announced_as(PNG, "image/png");
    scene.stage(&upload, PNG).await;
    assert!(matches!(
        scene.store(&upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    let disguised = announced_as(PNG, "application/pdf");
    scene.stage(&disguised, PNG).await;
    assert_eq!(scene.store(&disguised).await.unwrap(), Stored::Rejected);
}
