//! The second saga: an item's deletion is complete when the object store has confirmed that of each of its files.

use command_api::saga::{
    ITEM_DELETION_SAGA, ItemDeletionDeadlines, SagaOutcome, end_uploads_of_item, file_rejected, file_removed,
    file_stored,
};
use depot_domain::{CommandId, ItemId, RejectReason, UploadId};
use depot_saga::timeout::{self, TimeoutOptions, TimeoutOutcome};
use uuid::Uuid;

use crate::service::Service;

const KEY: &str = "abab/first";

async fn stored(service: &Service, id: Uuid) -> SagaOutcome {
    file_stored(&service.writer, UploadId(id), KEY, None, CommandId::generate())
        .await
        .unwrap()
}

async fn removed(service: &Service, id: Uuid) -> SagaOutcome {
    file_removed(&service.writer, UploadId(id), CommandId::generate())
        .await
        .unwrap()
}

async fn heard_of_deletion(service: &Service, item: Uuid) -> usize {
    end_uploads_of_item(&service.writer, ItemId(item), CommandId::generate())
        .await
        .unwrap()
}

async fn received(service: &Service, item: Uuid) -> Uuid {
    let id = service.upload("alice", item, 10).await;
    service.complete("alice", id).await.expect(202);
    id
}

/// `(state, step)` of an item's deletion; none while the item is there.
async fn deletion(service: &Service, item: Uuid) -> Option<(String, String)> {
    sqlx::query_as("SELECT state, step FROM command.sagas WHERE saga = 'item_deletion' AND saga_id = $1")
        .bind(item)
        .fetch_optional(&service.pool)
        .await
        .unwrap()
}

fn at(state: &str, step: &str) -> Option<(String, String)> {
    Some((state.to_owned(), step.to_owned()))
}

async fn time_out(service: &Service) -> TimeoutOutcome {
    sqlx::query(
        "UPDATE command.sagas SET deadline = now() WHERE saga = 'item_deletion' AND deadline IS NOT NULL",
    )
    .execute(&service.pool)
    .await
    .unwrap();
    let handler = ItemDeletionDeadlines(service.writer.clone());
    timeout::step(
        service.writer.pool(),
        &ITEM_DELETION_SAGA,
        TimeoutOptions::default(),
        &handler,
    )
    .await
    .unwrap()
}

#[tokio::test]
async fn a_deletion_is_complete_when_the_last_file_is_confirmed_removed() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let (attached, open, pending) = (
        received(&service, item).await,
        received(&service, item).await,
        service.upload("alice", item, 10).await,
    );
    stored(&service, attached).await;
    assert_eq!(deletion(&service, item).await, None);
    service.delete_item("alice", item).await;
    assert_eq!(
        deletion(&service, item).await,
        at("running", "ending_uploads"),
        "begun with the deletion itself"
    );
    assert_eq!(heard_of_deletion(&service, item).await, 3);
    for id in [attached, open, pending] {
        assert_eq!(deletion(&service, item).await, at("running", "awaiting_removals"));
        assert_eq!(removed(&service, id).await, SagaOutcome::Removed);
    }
    assert_eq!(deletion(&service, item).await, at("completed", "completed"));
    // Heard again, by a second delivery of the event.
    assert_eq!(heard_of_deletion(&service, item).await, 0);
    assert_eq!(deletion(&service, item).await, at("completed", "completed"));
    assert_eq!(time_out(&service).await, TimeoutOutcome::Nothing);
}

#[tokio::test]
async fn an_item_without_files_is_completely_deleted_once_its_deletion_is_heard() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    service.delete_item("alice", item).await;
    assert_eq!(heard_of_deletion(&service, item).await, 0);
    assert_eq!(deletion(&service, item).await, at("completed", "completed"));
}

#[tokio::test]
async fn a_deletion_that_nobody_hears_of_goes_on_by_its_deadline() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item).await;
    stored(&service, id).await;
    service.delete_item("alice", item).await;
    let handled = TimeoutOutcome::Handled { taken: 1, failed: 0 };
    assert_eq!(time_out(&service).await, handled);
    assert_eq!(service.upload_status(id).await.0, "removed");
    assert_eq!(deletion(&service, item).await, at("running", "awaiting_removals"));
    // Still not confirmed: it looks again, later each time, and is stuck in the end.
    for attempt in 1..=30 {
        assert_eq!(time_out(&service).await, handled, "attempt {attempt}");
    }
    assert_eq!(deletion(&service, item).await, at("running", "awaiting_removals"));
    assert_eq!(time_out(&service).await, handled);
    assert_eq!(deletion(&service, item).await, at("stuck", "awaiting_removals"));
    assert_eq!(removed(&service, id).await, SagaOutcome::Removed);
    assert_eq!(deletion(&service, item).await, at("completed", "completed"));
}

#[tokio::test]
async fn of_two_files_confirmed_at_the_same_time_the_second_completes_the_deletion() {
    let service = Service::start().await;
    for _ in 0..8 {
        let item = service.item("alice").await;
        let (a, b) = (received(&service, item).await, received(&service, item).await);
        stored(&service, a).await;
        stored(&service, b).await;
        service.delete_item("alice", item).await;
        heard_of_deletion(&service, item).await;
        let (of_a, of_b) = tokio::join!(removed(&service, a), removed(&service, b));
        assert_eq!((of_a, of_b), (SagaOutcome::Removed, SagaOutcome::Removed));
        assert_eq!(deletion(&service, item).await, at("completed", "completed"));
    }
}

/// At each step of an upload's saga in turn, its item is deleted: what follows ends with nothing held and nothing left.
#[tokio::test]
async fn an_item_deleted_at_any_step_of_an_upload_leaves_nothing() {
    let service = Service::start().await;
    let steps = [
        "awaiting_bytes",
        "awaiting_file",
        "attached",
        "rejected",
        "expired",
        "aborted",
        "removing",
        "removed",
        "stuck",
    ];
    for step in steps {
        let item = service.item("alice").await;
        let id = service.upload("alice", item, 10).await;
        if !["awaiting_bytes", "expired"].contains(&step) {
            service.complete("alice", id).await.expect(202);
        }
        match step {
            "attached" => drop(stored(&service, id).await),
            "rejected" => {
                let reason = RejectReason::SizeMismatch;
                file_rejected(&service.writer, UploadId(id), reason, CommandId::generate())
                    .await
                    .unwrap();
            }
            "expired" => {
                use command_api::saga::UploadDeadlines;
                use depot_saga::timeout::{Due, OnTimeout as _};
                let due = Due {
                    saga_id: id,
                    step: "awaiting_bytes".to_owned(),
                    attempts: 0,
                };
                UploadDeadlines(service.writer.clone())
                    .timed_out(&due)
                    .await
                    .unwrap();
            }
            "aborted" | "removing" | "removed" => {
                let path = format!("/api/v1/uploads/{id}");
                service.by("alice", "DELETE", &path).send().await.expect(204);
                if step != "aborted" {
                    assert_eq!(stored(&service, id).await, SagaOutcome::RemovalRequested);
                }
                if step == "removed" {
                    removed(&service, id).await;
                }
            }
            "stuck" => {
                sqlx::query("UPDATE command.sagas SET state = 'stuck', deadline = NULL WHERE saga_id = $1")
                    .bind(id)
                    .execute(&service.pool)
                    .await
                    .unwrap();
            }
            _ => {}
        }
        let stands = service.saga(id).await;
        let expected = if step == "stuck" { "awaiting_file" } else { step };
        assert_eq!(stands.1, expected, "the step is the one that is meant");

        service.delete_item("alice", item).await;
        // In either order: the uploader's answer to what it was asked before, and the deletion.
        heard_of_deletion(&service, item).await;
        if ["awaiting_file", "stuck"].contains(&step) {
            stored(&service, id).await;
        }
        removed(&service, id).await;
        assert_eq!(service.quota("alice").await, (0, 0), "{step}");
        let (state, _) = service.saga(id).await;
        assert_eq!(state, "compensated", "{step}");
        assert_eq!(
            deletion(&service, item).await,
            at("completed", "completed"),
            "{step}"
        );
        let (status, _) = service.upload_status(id).await;
        assert!(
            ["aborted", "removed", "rejected", "expired"].contains(&status.as_str()),
            "{step}: {status}"
        );
    }
}
