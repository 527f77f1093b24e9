use depot_service::auth::Role;
use uuid::Uuid;

use crate::harness::{Harness, put_thumbnail, put_upload};

#[tokio::test]
async fn an_upload_is_for_its_owner_and_for_admins_whatever_the_cache_holds() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    let paths = [
        format!("/api/v1/uploads/{id}"),
        format!("/api/v1/uploads/{id}/content?redirect=false"),
    ];
    // Twice: what is not allowed before the entry is cached is not allowed after.
    for round in 0..2 {
        for path in &paths {
            for (subject, roles, status) in [
                ("bob", &[Role::Reader][..], 403),
                ("bob", &[Role::Writer], 403),
                ("alice", &[], 403),
                ("alice", &[Role::Reader], 200),
                ("alice", &[Role::Writer], 200),
                ("root", &[Role::Admin], 200),
            ] {
                let reply = harness.get_as(subject, roles, path, &[]).await;
                assert_eq!(
                    reply.status, status,
                    "{subject} {roles:?} {path} in round {round}"
                );
            }
        }
    }
    let etag = [("if-none-match", "\"3\"")];
    assert_eq!(
        harness
            .get_as("alice", &[Role::Reader], &paths[0], &etag)
            .await
            .status,
        304
    );
    assert_eq!(
        harness
            .get_as("bob", &[Role::Reader], &paths[0], &etag)
            .await
            .status,
        403
    );
    // Nor does it tell how far the view is.
    let ahead = format!("{}?min_version=9", paths[0]);
    assert_eq!(
        harness
            .get_as("bob", &[Role::Reader], &ahead, &[("prefer", "wait=0")])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn the_representation_does_not_tell_where_the_file_lies() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    let upload = harness
        .get_as("alice", &[Role::Reader], &format!("/api/v1/uploads/{id}"), &[])
        .await
        .json();
    assert_eq!(
        (&upload["status"], &upload["size_bytes"]),
        (&"stored".into(), &3.into())
    );
    assert!(upload.get("object_key").is_none());
}

#[tokio::test]
async fn a_stored_file_is_answered_with_a_signed_url_for_the_public_endpoint() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    let path = format!("/api/v1/uploads/{id}/content");
    let redirect = harness.get_as("alice", &[Role::Reader], &path, &[]).await;
    assert_eq!(
        (redirect.status, redirect.header("cache-control")),
        (307, Some("no-store"))
    );
    let location = redirect.header("location").unwrap();
    assert!(
        location.starts_with("http://files.example:9000/files/abab"),
        "{location}"
    );
    for part in [
        "X-Amz-Signature=",
        "X-Amz-Expires=300",
        "response-content-disposition=attachment",
    ] {
        assert!(location.contains(part), "{part} in {location}");
    }
    let json = harness
        .get_as("alice", &[Role::Reader], &format!("{path}?redirect=false"), &[])
        .await;
    assert_eq!(json.status, 200);
    assert!(json.json()["url"].as_str().unwrap().contains("X-Amz-Signature="));
    assert!(json.json()["expires_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn only_a_stored_upload_has_a_file() {
    let harness = Harness::start().await;
    for status in ["pending", "received", "rejected", "expired", "aborted", "removed"] {
        let id = Uuid::now_v7();
        put_upload(&harness.pool, id, "alice", status, 2).await;
        let path = format!("/api/v1/uploads/{id}/content");
        let reply = harness.get_as("alice", &[Role::Reader], &path, &[]).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (409, "upload-not-stored"),
            "{status}"
        );
        assert_eq!(reply.json()["upload_status"], status);
    }
    let unknown = format!("/api/v1/uploads/{}/content", Uuid::now_v7());
    let reply = harness.get_as("alice", &[Role::Reader], &unknown, &[]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (404, "upload-not-found")
    );
}

#[tokio::test]
async fn a_removed_file_is_not_signed_for_though_the_cache_holds_it_as_stored() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    let path = format!("/api/v1/uploads/{id}/content");
    assert_eq!(
        harness.get_as("alice", &[Role::Reader], &path, &[]).await.status,
        307
    );
    put_upload(&harness.pool, id, "alice", "removed", 4).await;
    assert_eq!(
        harness.get_as("alice", &[Role::Reader], &path, &[]).await.status,
        409
    );
}

#[tokio::test]
async fn an_upload_is_waited_for_like_an_item() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    let path = format!("/api/v1/uploads/{id}/content?min_version=3");
    put_upload(&harness.pool, id, "alice", "received", 2).await;
    let (reply, ()) = tokio::join!(
        harness.get_as("alice", &[Role::Reader], &path, &[("prefer", "wait=30")]),
        async {
            harness.until_a_read_waits().await;
            put_upload(&harness.pool, id, "alice", "stored", 3).await;
        }
    );
    assert_eq!(
        (reply.status, reply.header("preference-applied")),
        (307, Some("wait=30"))
    );
}

#[tokio::test]
async fn a_thumbnail_is_shown_without_its_place_and_signed_for_like_the_file() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    put_thumbnail(&harness.pool, id, "small/1", "image/webp").await;
    let path = format!("/api/v1/uploads/{id}");
    let upload = harness.get_as("alice", &[Role::Reader], &path, &[]).await.json();
    let expected =
        serde_json::json!({"content_type": "image/webp", "width": 320, "height": 200, "size_bytes": 9});
    assert_eq!(upload["thumbnail"], expected);
    let path = format!("{path}/thumbnail");
    for (subject, roles, status) in [
        ("bob", &[Role::Reader][..], 403),
        ("alice", &[], 403),
        ("alice", &[Role::Reader], 307),
        ("root", &[Role::Admin], 307),
    ] {
        let reply = harness.get_as(subject, roles, &path, &[]).await;
        assert_eq!(reply.status, status, "{subject} {roles:?}");
    }
    let redirect = harness.get_as("alice", &[Role::Reader], &path, &[]).await;
    assert_eq!(redirect.header("cache-control"), Some("no-store"));
    let location = redirect.header("location").unwrap();
    assert!(
        location.starts_with("http://files.example:9000/files/small/1?"),
        "{location}"
    );
    assert!(location.contains("X-Amz-Expires=300"), "{location}");
    let json = harness
        .get_as("alice", &[Role::Reader], &format!("{path}?redirect=false"), &[])
        .await;
    assert!(json.json()["url"].as_str().unwrap().contains("small/1"));
    // Removed: nothing is shown, and nothing signed for, whatever the cache holds.
    put_upload(&harness.pool, id, "alice", "removed", 4).await;
    let reply = harness.get_as("alice", &[Role::Reader], &path, &[]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (409, "upload-not-stored")
    );
}

#[tokio::test]
async fn an_upload_without_a_thumbnail_says_so() {
    let harness = Harness::start().await;
    let id = Uuid::now_v7();
    put_upload(&harness.pool, id, "alice", "stored", 3).await;
    let path = format!("/api/v1/uploads/{id}");
    let upload = harness.get_as("alice", &[Role::Reader], &path, &[]).await.json();
    assert!(upload.get("thumbnail").is_none());
    let reply = harness
        .get_as("alice", &[Role::Reader], &format!("{path}/thumbnail"), &[])
        .await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (404, "thumbnail-not-found")
    );
    let unknown = format!("/api/v1/uploads/{}/thumbnail", Uuid::now_v7());
    let reply = harness.get_as("alice", &[Role::Reader], &unknown, &[]).await;
    assert_eq!(
        (reply.status, reply.problem().as_str()),
        (404, "upload-not-found")
    );
}
