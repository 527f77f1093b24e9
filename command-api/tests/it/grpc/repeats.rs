//! Keys: the same call again gets the same answer, and acts once.

use std::time::Duration;

use command_api::store::{self, idempotency::Key, transaction::ROW_LOCK_TIMEOUT};
use depot_domain::CommandId;
use depot_service::auth::Role;
use tonic::{Code, metadata::AsciiMetadataValue};

use super::{
    by, by_roles, client, create, delete, is_replayed, keyed, new_item, reason, retry_delay, says_replayed,
    update, uuid,
};
use crate::service::Service;

#[tokio::test]
async fn a_repeat_gets_the_first_answer_marked_and_writes_nothing() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let first = client
        .create_item(keyed("alice", "k", create("a")))
        .await
        .unwrap();
    assert!(!is_replayed(&first));
    let before = service.counts().await;
    // The quoted form is the same key.
    for key in ["k", "\"k\""] {
        let again = client
            .create_item(keyed("alice", key, create("a")))
            .await
            .unwrap();
        assert!(is_replayed(&again), "{key}");
        assert_eq!(again.get_ref(), first.get_ref());
    }
    assert_eq!(service.counts().await, before);
    let item = first.into_inner().id;
    let deleted = client.delete_item(keyed("alice", "k", delete(&item, "1"))).await;
    assert!(!is_replayed(&deleted.unwrap()), "a key belongs to its method");
    let again = client
        .delete_item(keyed("alice", "k", delete(&item, "1")))
        .await
        .unwrap();
    assert!(is_replayed(&again));
    assert_eq!(again.into_inner().version, "2");
}

#[tokio::test]
async fn a_refusal_is_repeated_with_its_details_and_marked() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let stale = || keyed("alice", "k", update(&id, "7", "b"));
    let first = client.update_item(stale()).await.unwrap_err();
    assert!(!says_replayed(first.metadata()));
    client
        .update_item(by("alice", update(&id, "1", "c")))
        .await
        .unwrap();
    let again = client.update_item(stale()).await.unwrap_err();
    assert!(says_replayed(again.metadata()), "{again:?}");
    assert_eq!(reason(&again), (Code::Aborted, "PRECONDITION_FAILED".into()));
    assert_eq!(super::figure(&again, "version"), "1", "as it was then");
    assert_eq!(again.message(), first.message());
}

#[tokio::test]
async fn a_key_with_another_message_is_refused() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    client
        .update_item(keyed("alice", "k", update(&id, "1", "b")))
        .await
        .unwrap();
    for other in [update(&id, "1", "c"), update(&id, "2", "b")] {
        let reused = client.update_item(keyed("alice", "k", other)).await.unwrap_err();
        assert_eq!(
            reason(&reused),
            (Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED".into())
        );
    }
    assert_eq!(service.kinds(uuid(&id)).await, ["item.created", "item.updated"]);
}

#[tokio::test]
async fn a_key_of_rest_is_another_than_the_same_of_grpc() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let rest = service.by("alice", "POST", "/api/v1/items").key("k");
    let rest = rest
        .json(serde_json::json!({"name": "a"}))
        .send()
        .await
        .expect(201);
    let grpc = client
        .create_item(keyed("alice", "k", create("a")))
        .await
        .unwrap();
    assert!(!is_replayed(&grpc));
    assert_ne!(grpc.into_inner().id, rest.text("id"));
    let bob = client.create_item(keyed("bob", "k", create("a"))).await.unwrap();
    assert!(!is_replayed(&bob), "and of another principal");
}

#[tokio::test]
async fn a_repeat_while_the_first_is_under_way_is_told_to_come_back() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let begun = service.writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT);
    let mut unit = begun.await.unwrap();
    let key = Key {
        principal: "alice".into(),
        route: "gRPC /depot.v1.CommandService/DeleteItem".into(),
        key: "k".into(),
    };
    let inserted = store::idempotency::insert(unit.conn(), &key, b"x", 24).await;
    assert!(inserted.unwrap());
    let early = client.delete_item(keyed("alice", "k", delete(&id, "*"))).await;
    let early = early.unwrap_err();
    assert_eq!(reason(&early), (Code::Aborted, "REQUEST_IN_PROGRESS".into()));
    assert_eq!(retry_delay(&early), Some(Duration::from_secs(1)));
    // The first one dies: its key is free again.
    drop(unit);
    let deleted = client.delete_item(keyed("alice", "k", delete(&id, "*"))).await;
    assert!(!is_replayed(&deleted.unwrap()));
}

#[tokio::test]
async fn who_may_not_do_it_any_more_is_not_told_the_kept_answer() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let ask = |role| {
        let mut request = by_roles("mallory", &[role], update(&id, "*", "by an admin"));
        let key = AsciiMetadataValue::from_static("k");
        request.metadata_mut().insert("idempotency-key", key);
        request
    };
    client.update_item(ask(Role::Admin)).await.unwrap();
    assert!(is_replayed(&client.update_item(ask(Role::Admin)).await.unwrap()));
    let refused = client.update_item(ask(Role::Writer)).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::PermissionDenied, "FORBIDDEN".into()));
    assert!(!says_replayed(refused.metadata()));
}
