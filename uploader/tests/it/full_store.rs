//! A store without room: a fault that passes, and nobody's rejection.

use depot_consumer::Failure;
use depot_domain::CommandId;
use uploader::{Stored, UploaderError};

use crate::{
    scene::{Scene, store_at},
    store_front::{Copies, store_front},
};

#[tokio::test]
async fn an_upload_waits_for_room_in_a_full_store_and_is_stored_when_there_is() {
    let scene = Scene::set().await;
    let upload = scene.staged(b"abc").await;
    let kinds = [
        ("507 Insufficient Storage", "XMinioStorageFull"),
        ("507 Insufficient Storage", "InsufficientStorage"),
        ("403 Forbidden", "QuotaExceeded"),
        ("400 Bad Request", "XMinioAdminBucketQuotaExceeded"),
    ];
    for (status, code) in kinds {
        let mut files = scene.files.clone();
        files.store = store_at(&store_front(Copies::Refused { status, code }).await);
        let failed = uploader::store_upload(&files, &upload, CommandId::generate()).await;
        let error = failed.unwrap_err();
        let UploaderError::Store { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(source.is_transient(), "{code}: {source:?}");
        assert!(matches!(Failure::from(error), Failure::Transient { .. }));
        assert!(scene.told(&upload).await.is_empty(), "{code} rejects nothing");
    }
    assert_eq!(scene.staged_keys().await, [upload.id.to_string()], "it is kept");
    assert!(matches!(
        scene.store(&upload).await.unwrap(),
        Stored::Stored { .. }
    ));
    assert_eq!(scene.keys().await.len(), 1);
}
