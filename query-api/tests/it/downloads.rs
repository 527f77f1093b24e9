//! What the object store answers to a signed URL.

use std::net::SocketAddr;

use depot_object_store::{Identity, ObjectStore};
use depot_service::{auth::Role, config::S3Config};
use depot_test_stack::{settings, unique_name};
use uuid::Uuid;

use crate::{
    harness::{Harness, put_thumbnail, put_upload},
    http::{self, Reply},
};

/// A query-api that signs for a bucket of the test's own, with one object in it.
struct Files {
    harness: Harness,
    store: ObjectStore,
    bucket: String,
}

const CONTENT: &[u8] = b"<script>alert(1)</script>";

impl Files {
    async fn start() -> Self {
        let identity = Identity {
            endpoint: settings().get("MINIO_ENDPOINT").to_owned(),
            public_endpoint: settings().get("MINIO_ENDPOINT").to_owned(),
            region: "us-east-1".into(),
            access_key: settings().get("STACK_MINIO_ACCESS_KEY").into(),
            secret_key: settings().get("STACK_MINIO_SECRET_KEY").into(),
        };
        let (store, bucket) = (ObjectStore::new(&identity), unique_name());
        store.ensure_bucket(&bucket).await.unwrap();
        let named = bucket.clone();
        let harness = Harness::start_with(|config| {
            config.s3 = S3Config {
                endpoint: identity.endpoint.clone(),
                public_endpoint: identity.public_endpoint.clone(),
                access_key: identity.access_key.clone(),
                secret_key: identity.secret_key.clone(),
                bucket: named,
                ..config.s3.clone()
            };
        })
        .await;
        Self {
            harness,
            store,
            bucket,
        }
    }

    /// A stored file of alice's under a name and a type.
    async fn stored(&self, file_name: &str, content_type: &str) -> Uuid {
        let id = Uuid::now_v7();
        put_upload(&self.harness.pool, id, "alice", "stored", 3).await;
        let key: String = sqlx::query_scalar(
            "UPDATE read.uploads SET file_name = $2, content_type = $3 WHERE id = $1 RETURNING object_key",
        )
        .bind(id)
        .bind(file_name)
        .bind(content_type)
        .fetch_one(&self.harness.pool)
        .await
        .unwrap();
        self.store
            .put(&self.bucket, &key, CONTENT.to_vec())
            .await
            .unwrap();
        id
    }

    /// Follows the redirect to the store.
    async fn follow(&self, id: Uuid, query: &str) -> Reply {
        self.follow_to(&format!("/api/v1/uploads/{id}/content{query}"))
            .await
    }

    async fn follow_to(&self, path: &str) -> Reply {
        let redirect = self.harness.get_as("alice", &[Role::Reader], path, &[]).await;
        assert_eq!(redirect.status, 307, "{redirect:?}");
        let location = redirect.header("location").unwrap().to_owned();
        let rest = location.strip_prefix("http://").unwrap();
        let (address, path) = rest.split_at(rest.find('/').unwrap());
        let address: SocketAddr = address.parse().unwrap();
        let reply = http::get(address, path, &[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    async fn end(self) {
        self.store.remove_bucket(&self.bucket).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_browser_could_run_is_saved_as_bytes_though_it_is_asked_for_inline() {
    let files = Files::start().await;
    for content_type in [
        "text/html",
        "application/xhtml+xml",
        "image/svg+xml",
        "application/xml",
        "text/javascript",
        "application/x-executable",
        "application/x-unheard-of",
    ] {
        let id = files.stored("page", content_type).await;
        for query in ["", "?disposition=inline"] {
            let reply = files.follow(id, query).await;
            assert_eq!(
                reply.header("content-type"),
                Some("application/octet-stream"),
                "{content_type}"
            );
            let disposition = reply.header("content-disposition").unwrap();
            assert!(
                disposition.starts_with("attachment;"),
                "{content_type}: {disposition}"
            );
        }
    }
    files.end().await;
}

#[tokio::test]
async fn a_file_is_saved_under_its_name_and_shown_only_where_asked_for_and_safe() {
    let files = Files::start().await;
    let png = files.stored("Übersicht \"1\".png", "image/png").await;
    let named = "filename=\"_bersicht _1_.png\"; filename*=UTF-8''%C3%9Cbersicht%20%221%22.png";
    for (query, kind) in [
        ("", "attachment"),
        ("?disposition=attachment", "attachment"),
        ("?disposition=inline", "inline"),
    ] {
        let reply = files.follow(png, query).await;
        assert_eq!(reply.header("content-type"), Some("image/png"));
        let expected = format!("{kind}; {named}");
        assert_eq!(reply.header("content-disposition"), Some(expected.as_str()));
    }
    let pdf = files.stored("a.pdf", "application/pdf").await;
    let reply = files.follow(pdf, "?disposition=inline").await;
    assert_eq!(reply.header("content-type"), Some("application/pdf"));
    assert!(
        reply
            .header("content-disposition")
            .unwrap()
            .starts_with("attachment;")
    );
    files.end().await;
}

#[tokio::test]
async fn a_thumbnail_is_fetched_from_its_own_object_and_shown_where_asked_for() {
    let files = Files::start().await;
    let id = files.stored("holiday.png", "image/png").await;
    put_thumbnail(&files.harness.pool, id, "small/1", "image/jpeg").await;
    files
        .store
        .put(&files.bucket, "small/1", b"small".to_vec())
        .await
        .unwrap();
    for (query, kind) in [("", "attachment"), ("?disposition=inline", "inline")] {
        let reply = files
            .follow_to(&format!("/api/v1/uploads/{id}/thumbnail{query}"))
            .await;
        assert_eq!(reply.body, b"small");
        assert_eq!(reply.header("content-type"), Some("image/jpeg"));
        let disposition = reply.header("content-disposition").unwrap();
        assert!(disposition.starts_with(kind), "{disposition}");
        assert!(
            disposition.contains("\"holiday.png.thumbnail.jpg\""),
            "{disposition}"
        );
    }
    files.end().await;
}

#[tokio::test]
async fn a_disposition_that_is_none_is_refused() {
    let harness = Harness::start().await;
    let path = format!("/api/v1/uploads/{}/content?disposition=show", Uuid::now_v7());
    let reply = harness.get_as("alice", &[Role::Reader], &path, &[]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (400, "invalid-parameter")
    );
}
