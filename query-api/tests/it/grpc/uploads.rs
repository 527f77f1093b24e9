//! Uploads, and URLs of what they brought.

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_service::auth::Role;
use tonic::Code;
use uuid::Uuid;

use super::{by, channel, reason};
use crate::harness::{Harness, put_thumbnail, put_upload};

#[tokio::test]
async fn uploads_and_downloads_are_for_their_owner_and_for_admins() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let (id, pending) = (Uuid::now_v7(), Uuid::now_v7());
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    put_thumbnail(&harness.pool, id, "small/1", "image/jpeg").await;
    put_upload(&harness.pool, pending, "alice", "pending", 1).await;
    for (subject, role, code) in [
        ("alice", Role::Reader, Code::Ok),
        ("root", Role::Admin, Code::Ok),
        ("bob", Role::Writer, Code::PermissionDenied),
    ] {
        let get = v1::GetUploadRequest {
            id: id.to_string(),
            at_least: None,
        };
        let got = client.get_upload(by(subject, &[role], get)).await;
        if let Ok(upload) = &got {
            let shown = upload.get_ref().thumbnail.clone().unwrap();
            assert_eq!((shown.width, shown.height, shown.size_bytes), (320, 200, 9));
            assert_eq!(shown.content_type, "image/jpeg");
        }
        assert_eq!(
            got.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{subject}"
        );
        let get = v1::GetDownloadUrlRequest {
            upload_id: id.to_string(),
            at_least: None,
            inline: false,
        };
        let got = client.get_download_url(by(subject, &[role], get)).await;
        assert_eq!(
            got.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{subject}"
        );
    }
    let get = v1::GetDownloadUrlRequest {
        upload_id: pending.to_string(),
        at_least: None,
        inline: true,
    };
    let refused = client
        .get_download_url(by("alice", &[Role::Reader], get))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::FailedPrecondition, "UPLOAD_NOT_STORED".into())
    );
}

#[tokio::test]
async fn a_url_is_for_showing_only_where_that_is_asked_for_and_safe() {
    let harness = Harness::start().await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    for (content_type, inline, kind) in [
        ("image/png", true, "inline"),
        ("image/png", false, "attachment"),
        ("text/html", true, "attachment"),
    ] {
        let id = Uuid::now_v7();
        put_upload(&harness.pool, id, "alice", "stored", 3).await;
        sqlx::query("UPDATE read.uploads SET content_type = $2 WHERE id = $1")
            .bind(id)
            .bind(content_type)
            .execute(&harness.pool)
            .await
            .unwrap();
        let get = v1::GetDownloadUrlRequest {
            upload_id: id.to_string(),
            at_least: None,
            inline,
        };
        let got = client
            .get_download_url(by("alice", &[Role::Reader], get))
            .await
            .unwrap();
        let url = got.into_inner().url;
        let expected = format!("response-content-disposition={kind}%3B");
        assert!(url.contains(&expected), "{content_type}: {url}");
    }
}
