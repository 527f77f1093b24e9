//! Calls that take longer than anybody waits: told in time, and done all the same.

use depot_test_stack::eventually;
use tonic::Code;

use super::{by, client, delete, is_replayed, keyed, new_item, reason, retry_delay, uuid};
use crate::service::Service;

#[tokio::test]
async fn a_call_that_takes_too_long_is_told_so_and_a_repeat_is_told_what_came_of_it() {
    let service = Service::start_with(&[("REQUEST_TIMEOUT_MS", "2000")]).await;
    let mut client = client(&service).await;
    // On a machine with little time left the first may not come as far as its item, or give up waiting for it, and a repeat then does
    // it itself. One that ended with its call would leave it to the repeat each time.
    for _ in 0..10 {
        let id = service.item("alice").await;
        let mut holder = service.pool.begin().await.unwrap();
        sqlx::query("SELECT FROM command.items FOR UPDATE")
            .execute(&mut *holder)
            .await
            .unwrap();
        let ask = || keyed("alice", &id.to_string(), delete(&id.to_string(), "*"));
        let late = client.delete_item(ask()).await.unwrap_err();
        assert_eq!(reason(&late), (Code::Unavailable, "TIMEOUT".into()));
        assert!(retry_delay(&late).is_some());
        holder.rollback().await.unwrap();
        let told = eventually("a repeat is told what came of it", || async {
            client.clone().delete_item(ask()).await.ok()
        });
        let told = told.await;
        assert_eq!(service.kinds(id).await, ["item.created", "item.deleted"], "once");
        if is_replayed(&told) {
            return;
        }
    }
    panic!("a command ends with the call of who waits for it");
}

#[tokio::test]
async fn a_call_is_answered_before_its_deadline() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let mut ask = by("alice", delete(&id, "*"));
    // Only the head carries the deadline, so that nothing on this side ends the call first.
    ask.metadata_mut().insert("grpc-timeout", "2S".parse().unwrap());
    let late = client.delete_item(ask).await.unwrap_err();
    assert_eq!(reason(&late), (Code::DeadlineExceeded, "TIMEOUT".into()));
    holder.rollback().await.unwrap();
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_begun() {
    let service = Service::start().await;
    let mut client = client(&service).await;
    let id = new_item(&mut client, "alice").await;
    let mut ask = by("alice", delete(&id, "*"));
    ask.metadata_mut().insert("grpc-timeout", "0n".parse().unwrap());
    client.delete_item(ask).await.unwrap_err();
    // What came later is done; what came before was not.
    let item = client
        .update_item(by("alice", super::update(&id, "1", "b")))
        .await;
    assert_eq!(item.unwrap().into_inner().version, "2");
    assert_eq!(service.kinds(uuid(&id)).await, ["item.created", "item.updated"]);
}
