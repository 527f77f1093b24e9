//! What is refused says why, in the words of REST, and leaves nothing behind.

use std::time::Duration;

use depot_proto::v1;
use depot_service::auth::Role;
use serde_json::json;
use tonic::{Code, Request};
use uuid::Uuid;

use super::{
    announce, by, by_roles, client, create, delete, fields, figure, new_item, object, reason, retry_delay,
    unkeyed, update, uuid,
};
use crate::service::{Service, new_key};

#[tokio::test]
async fn who_may_not_is_refused() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let before = service.counts().await;
    let unknown = client.create_item(Request::new(create("a"))).await.unwrap_err();
    assert_eq!(reason(&unknown), (Code::Unauthenticated, "INVALID_TOKEN".into()));
    let reader = by_roles("alice", &[Role::Reader], update(&id, "*", "b"));
    let reader = client.update_item(reader).await.unwrap_err();
    assert_eq!(reason(&reader), (Code::PermissionDenied, "FORBIDDEN".into()));
    let other = client
        .update_item(by("bob", update(&id, "*", "b")))
        .await
        .unwrap_err();
    assert_eq!(reason(&other), (Code::PermissionDenied, "FORBIDDEN".into()));
    assert_eq!(service.counts().await, before);
    let admin = by_roles("root", &[Role::Admin], update(&id, "*", "b"));
    assert_eq!(client.update_item(admin).await.unwrap().into_inner().version, "2");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let before = service.counts().await;
    let item = v1::ItemContent {
        name: String::new(),
        tags: vec!["a".into(), "a\u{7}".into()],
        status: 9,
        attributes: Some(prost_types::Struct {
            fields: [("a".to_owned(), prost_types::Value { kind: None })].into(),
        }),
        ..Default::default()
    };
    let wrong = v1::UpdateItemRequest {
        id: "7".into(),
        item: Some(item),
        expected_version: "\"1\"".into(),
    };
    let refused = client.update_item(by("alice", wrong)).await.unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::InvalidArgument, "VALIDATION_FAILED".into())
    );
    assert_eq!(
        fields(&refused),
        [
            "expected_version",
            "id",
            "item.attributes",
            "item.name",
            "item.status",
            "item.tags[1]"
        ]
    );
    let refused = client
        .request_upload(by("alice", v1::RequestUploadRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(
        fields(&refused),
        ["content_type", "file_name", "item_id", "sha256", "size_bytes"]
    );
    assert_eq!(service.counts().await, before);
}

#[tokio::test]
async fn a_result_that_would_be_invalid_is_refused_by_its_fields() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let nameless = v1::PatchItemRequest {
        id: id.clone(),
        item: None,
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["name".into()],
        }),
        expected_version: "1".into(),
    };
    let refused = client.patch_item(by("alice", nameless)).await.unwrap_err();
    assert_eq!(
        (reason(&refused).1.as_str(), fields(&refused)),
        ("VALIDATION_FAILED", vec!["item.name".to_owned()])
    );
    let masked = v1::PatchItemRequest {
        id,
        item: Some(v1::ItemContent {
            attributes: Some(depot_grpc::values::object(object(json!({"a": 1})))),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["attributes.a".into(), "*".into()],
        }),
        expected_version: "1".into(),
    };
    let refused = client.patch_item(by("alice", masked)).await.unwrap_err();
    assert_eq!(fields(&refused), ["update_mask", "update_mask"]);
}

#[tokio::test]
async fn what_is_required_is_asked_for_by_name() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let keyless = client
        .create_item(unkeyed("alice", create("a")))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&keyless),
        (Code::InvalidArgument, "IDEMPOTENCY_KEY_MISSING".into())
    );
    assert_eq!(fields(&keyless), ["idempotency-key"]);
    let mut twice = by("alice", create("a"));
    let other = new_key().parse().unwrap();
    twice.metadata_mut().append("idempotency-key", other);
    let twice = client.create_item(twice).await.unwrap_err();
    assert_eq!(reason(&twice), (Code::InvalidArgument, "INVALID_HEADER".into()));
    assert_eq!(fields(&twice), ["idempotency-key"]);
    for versionless in [
        client
            .update_item(by("alice", update(&id, "", "b")))
            .await
            .map(drop),
        client.delete_item(by("alice", delete(&id, ""))).await.map(drop),
    ] {
        let versionless = versionless.unwrap_err();
        assert_eq!(
            reason(&versionless),
            (Code::InvalidArgument, "PRECONDITION_REQUIRED".into())
        );
        assert_eq!(fields(&versionless), ["expected_version"]);
    }
    assert_eq!(service.kinds(uuid(&id)).await, ["item.created"]);
}

#[tokio::test]
async fn another_version_is_told_with_the_current_one() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    client
        .update_item(by("alice", update(&id, "1", "b")))
        .await
        .unwrap();
    for stale in [
        client
            .update_item(by("alice", update(&id, "1", "c")))
            .await
            .map(drop),
        client.delete_item(by("alice", delete(&id, "1"))).await.map(drop),
    ] {
        let stale = stale.unwrap_err();
        assert_eq!(reason(&stale), (Code::Aborted, "PRECONDITION_FAILED".into()));
        assert_eq!(figure(&stale, "version"), "2");
        assert_eq!(retry_delay(&stale), None, "the same again would not help");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_gone_are_told_apart() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    client.delete_item(by("alice", delete(&id, "1"))).await.unwrap();
    let gone = client
        .update_item(by("alice", update(&id, "*", "b")))
        .await
        .unwrap_err();
    assert_eq!(reason(&gone), (Code::NotFound, "ITEM_DELETED".into()));
    assert_eq!(figure(&gone, "version"), "2");
    let never = Uuid::now_v7().to_string();
    let item = client
        .update_item(by("alice", update(&never, "*", "b")))
        .await
        .unwrap_err();
    assert_eq!(reason(&item), (Code::NotFound, "ITEM_NOT_FOUND".into()));
    let upload = client
        .abort_upload(by("alice", super::abort(&never)))
        .await
        .unwrap_err();
    assert_eq!(reason(&upload), (Code::NotFound, "UPLOAD_NOT_FOUND".into()));
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_refused_with_the_figures() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "1500")]).await;
    let mut client = client(&service).await;
    let item = new_item(&mut client, "alice").await;
    client
        .request_upload(by("alice", announce(&item, 1_000)))
        .await
        .unwrap();
    let refused = client
        .request_upload(by("alice", announce(&item, 501)))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&refused),
        (Code::ResourceExhausted, "QUOTA_EXCEEDED".into())
    );
    for (name, value) in [
        ("requested_bytes", "501"),
        ("available_bytes", "500"),
        ("limit_bytes", "1500"),
        ("reserved_bytes", "1000"),
        ("used_bytes", "0"),
    ] {
        assert_eq!(figure(&refused, name), value, "{name}");
    }
}

#[tokio::test]
async fn rest_and_grpc_have_one_allowance_of_requests() {
    let limit = [("RATE_LIMIT_PER_SECOND", "1"), ("RATE_LIMIT_BURST", "3")];
    let service = Service::start_with(&limit).await;
    let mut client = client(&service).await;
    // So many that no pause between them grants them all.
    let mut refused = None;
    for _ in 0..20 {
        service.by("alice", "GET", "/api/v1/accounts/alice").send().await;
        refused = client.create_item(by("alice", create("a"))).await.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("thirty-odd requests in as many seconds would be needed to be granted");
    assert_eq!(reason(&refused), (Code::ResourceExhausted, "RATE_LIMITED".into()));
    assert!(retry_delay(&refused) >= Some(Duration::from_secs(1)));
    // Another principal has its own.
    client.create_item(by("bob", create("a"))).await.unwrap();
}

#[tokio::test]
async fn a_command_beyond_the_places_is_refused_at_once_and_may_come_again() {
    let service = Service::start_with(&[("MAX_CONCURRENT_COMMANDS", "1")]).await;
    let mut client = client(&service).await;
    let held = new_item(&mut client, "alice").await;
    let free = new_item(&mut client, "alice").await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items WHERE id::text = $1 FOR UPDATE")
        .bind(&held)
        .execute(&mut *holder)
        .await
        .unwrap();
    let waiting = {
        let (mut client, delete) = (client.clone(), by("alice", delete(&held, "*")));
        tokio::spawn(async move { client.delete_item(delete).await.map(drop) })
    };
    service.somebody_waits().await;
    let refused = client
        .delete_item(by("alice", delete(&free, "*")))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), (Code::Unavailable, "OVERLOADED".into()));
    assert_eq!(retry_delay(&refused), Some(Duration::from_secs(1)));
    holder.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
    client.delete_item(by("alice", delete(&free, "*"))).await.unwrap();
}

#[tokio::test]
async fn a_call_beyond_those_that_are_taken_at_once_is_refused() {
    let service = Service::start_with(&[("MAX_CONCURRENT_REQUESTS", "1")]).await;
    let mut client = client(&service).await;
    let held = new_item(&mut client, "alice").await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let waiting = {
        let (mut client, delete) = (client.clone(), by("alice", delete(&held, "*")));
        tokio::spawn(async move { client.delete_item(delete).await.map(drop) })
    };
    service.somebody_waits().await;
    let refused = client.create_item(by("alice", create("a"))).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unavailable, "OVERLOADED".into()));
    assert_eq!(retry_delay(&refused), Some(Duration::from_secs(1)));
    holder.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_the_database_away_commands_are_told_to_come_again() {
    let service = Service::without_database().await;
    let mut client = client(&service).await;
    let away = client.create_item(by("alice", create("a"))).await.unwrap_err();
    assert_eq!(reason(&away), (Code::Unavailable, "UNAVAILABLE".into()));
    assert!(retry_delay(&away).is_some());
    assert!(!away.message().contains("127.0.0.1"), "{away:?}");
}
