use command_api::saga::{SagaOutcome, end_uploads_of_item, file_rejected, file_removed, file_stored};
use depot_domain::{CommandId, ItemId, RejectReason, Thumbnail, UploadId};
use depot_schemas::ThumbnailState;
use serde_json::json;
use uuid::Uuid;

use crate::service::Service;

const KEY: &str = "abab/first";

async fn stored(service: &Service, id: Uuid) -> SagaOutcome {
    file_stored(&service.writer, UploadId(id), KEY, None, CommandId::generate())
        .await
        .unwrap()
}

async fn rejected(service: &Service, id: Uuid) -> SagaOutcome {
    let reason = RejectReason::ChecksumMismatch;
    file_rejected(&service.writer, UploadId(id), reason, CommandId::generate())
        .await
        .unwrap()
}

async fn removed(service: &Service, id: Uuid) -> SagaOutcome {
    file_removed(&service.writer, UploadId(id), CommandId::generate())
        .await
        .unwrap()
}

async fn item_deleted(service: &Service, id: Uuid) -> usize {
    end_uploads_of_item(&service.writer, ItemId(id), CommandId::generate())
        .await
        .unwrap()
}

async fn received(service: &Service, item: Uuid, size: i64) -> Uuid {
    let id = service.upload("alice", item, size).await;
    service.complete("alice", id).await.expect(202);
    id
}

fn state(state: &str, step: &str) -> (String, String) {
    (state.to_owned(), step.to_owned())
}

fn thumbnail(size_bytes: i64) -> Thumbnail {
    let state = ThumbnailState {
        object_key: "cdcd/first".to_owned(),
        sha256: "cd".repeat(32),
        size_bytes,
        content_type: "image/jpeg".to_owned(),
        width: 320,
        height: 200,
    };
    state.try_into().unwrap()
}

/// To the byte: what was reserved is free, file and thumbnail are used, and both are free again when they go.
#[tokio::test]
async fn a_thumbnail_counts_like_its_file_from_the_settling_to_the_removal() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let other = received(&service, item, 30).await;
    let id = received(&service, item, 70).await;
    assert_eq!(service.quota("alice").await, (0, 100));
    for _ in 0..2 {
        let (upload, cause) = (UploadId(id), CommandId::generate());
        file_stored(&service.writer, upload, KEY, Some(thumbnail(9)), cause)
            .await
            .unwrap();
        assert_eq!(service.quota("alice").await, (79, 30));
    }
    stored(&service, other).await;
    assert_eq!(service.quota("alice").await, (109, 0));
    let events = service.events(id).await;
    let told = &events.last().unwrap().data;
    assert_eq!(told["upload"]["thumbnail"]["object_key"], "cdcd/first");
    assert_eq!(told["changed"], json!(["status", "object_key", "thumbnail"]));
    service.delete_item("alice", item).await;
    item_deleted(&service, item).await;
    assert_eq!(service.quota("alice").await, (0, 0));
    removed(&service, id).await;
    assert_eq!(service.quota("alice").await, (0, 0));
}

#[tokio::test]
async fn a_thumbnail_may_pass_the_limit_by_its_size_and_nothing_new_fits_then() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 70).await;
    sqlx::query("UPDATE command.storage_accounts SET limit_bytes = 75")
        .execute(&service.pool)
        .await
        .unwrap();
    let (upload, cause) = (UploadId(id), CommandId::generate());
    let outcome = file_stored(&service.writer, upload, KEY, Some(thumbnail(9)), cause).await;
    assert_eq!(outcome.unwrap(), SagaOutcome::Attached);
    assert_eq!(service.quota("alice").await, (79, 0));
}

#[tokio::test]
async fn a_stored_file_is_attached_and_its_quota_settled_once_however_often_it_is_told() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 70).await;
    let cause = CommandId::generate();
    let outcome = file_stored(&service.writer, UploadId(id), KEY, None, cause)
        .await
        .unwrap();
    assert_eq!(outcome, SagaOutcome::Attached);
    assert_eq!(service.quota("alice").await, (70, 0));
    assert_eq!(service.saga(id).await, state("completed", "attached"));
    assert_eq!(
        service.kinds(id).await,
        ["upload.requested", "upload.received", "upload.stored"]
    );
    let events = service.events(item).await;
    assert_eq!(
        (events[1].kind.as_str(), events[1].version),
        ("item.file_attached", 2)
    );
    assert_eq!(events[1].data["actor"], "upload-saga");
    let files = json!([{
        "upload_id": id, "file_name": "report.pdf", "content_type": "application/pdf", "size_bytes": 70,
        "sha256": "ab".repeat(32),
    }]);
    assert_eq!(events[1].data["item"]["files"], files);
    assert_eq!(service.events(id).await[2].data["upload"]["object_key"], KEY);
    let headers: Vec<String> =
        sqlx::query_scalar("SELECT headers FROM command.outbox WHERE aggregate_id = $1")
            .bind(item)
            .fetch_all(&service.pool)
            .await
            .unwrap();
    assert!(
        headers[1].contains(&format!("ce_causationid={cause}")),
        "{}",
        headers[1]
    );

    let before = service.counts().await;
    assert_eq!(stored(&service, id).await, SagaOutcome::NothingToDo);
    assert_eq!(service.counts().await, before);
    assert_eq!(service.quota("alice").await, (70, 0));
    // A client that repeats its complete learns that it is stored.
    assert_eq!(
        service.complete("alice", id).await.expect(200).text("status"),
        "stored"
    );
}

#[tokio::test]
async fn a_rejected_file_ends_the_upload_with_its_reason_and_releases_the_quota_once() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 70).await;
    assert_eq!(rejected(&service, id).await, SagaOutcome::Rejected);
    assert_eq!(service.quota("alice").await, (0, 0));
    assert_eq!(
        service.upload_status(id).await,
        ("rejected".into(), Some("checksum_mismatch".into()))
    );
    assert_eq!(service.saga(id).await, state("compensated", "rejected"));
    let before = service.counts().await;
    assert_eq!(rejected(&service, id).await, SagaOutcome::NothingToDo);
    assert_eq!(service.counts().await, before);
    assert_eq!(service.quota("alice").await, (0, 0));
    assert_eq!(service.kinds(item).await, ["item.created"]);
}

#[tokio::test]
async fn a_file_for_an_item_that_was_deleted_meanwhile_is_rejected_and_removed() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 70).await;
    service.delete_item("alice", item).await;
    assert_eq!(stored(&service, id).await, SagaOutcome::RemovalRequested);
    assert_eq!(
        service.upload_status(id).await,
        ("rejected".into(), Some("item_deleted".into()))
    );
    assert_eq!(service.quota("alice").await, (0, 0));
    assert_eq!(service.saga(id).await, state("compensating", "removing"));
    let kinds = [
        "upload.requested",
        "upload.received",
        "upload.rejected",
        "upload.removal_requested",
    ];
    assert_eq!(service.kinds(id).await, kinds);
    // Told again while the removal is under way: once is enough.
    assert_eq!(stored(&service, id).await, SagaOutcome::NothingToDo);
    assert_eq!(service.kinds(id).await, kinds);
    assert_eq!(removed(&service, id).await, SagaOutcome::Removed);
    assert_eq!(service.saga(id).await, state("compensated", "removed"));
    assert_eq!(removed(&service, id).await, SagaOutcome::NothingToDo);
    // The deletion is told after all that: nothing is left to end.
    assert_eq!(item_deleted(&service, item).await, 0);
    assert_eq!(service.quota("alice").await, (0, 0));
}

#[tokio::test]
async fn a_file_for_an_item_that_is_full_is_rejected_and_removed() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 70).await;
    sqlx::query(
        "UPDATE command.items SET files = (SELECT jsonb_agg(jsonb_build_object('upload_id', gen_random_uuid(),
            'file_name', 'f', 'content_type', 'a/b', 'size_bytes', 1, 'sha256', repeat('0', 64)))
         FROM generate_series(1, 100))",
    )
    .execute(&service.pool)
    .await
    .unwrap();
    assert_eq!(stored(&service, id).await, SagaOutcome::RemovalRequested);
    assert_eq!(
        service.upload_status(id).await,
        ("rejected".into(), Some("too_many_files".into()))
    );
    assert_eq!(service.quota("alice").await, (0, 0));
    assert_eq!(service.kinds(item).await, ["item.created"]);
}

#[tokio::test]
async fn a_file_that_was_stored_after_all_for_an_upload_that_has_ended_is_removed_each_time() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 70).await;
    service
        .by("alice", "DELETE", &format!("/api/v1/uploads/{id}"))
        .send()
        .await
        .expect(204);
    for round in 0..2 {
        assert_eq!(
            stored(&service, id).await,
            SagaOutcome::RemovalRequested,
            "round {round}"
        );
        assert_eq!(service.saga(id).await, state("compensating", "removing"));
        assert_eq!(removed(&service, id).await, SagaOutcome::Removed);
        assert_eq!(service.saga(id).await, state("compensated", "removed"));
    }
    assert_eq!(
        service.upload_status(id).await,
        ("aborted".into(), Some("by_owner".into()))
    );
    assert_eq!(service.quota("alice").await, (0, 0));
    let asked = service
        .kinds(id)
        .await
        .into_iter()
        .filter(|kind| kind == "upload.removal_requested");
    assert_eq!(asked.count(), 2);
    // A rejection that comes late finds an outcome and leaves it.
    assert_eq!(rejected(&service, id).await, SagaOutcome::NothingToDo);
}

#[tokio::test]
async fn a_deleted_item_takes_all_its_uploads_with_it() {
    let service = Service::start().await;
    let (item, other) = (service.item("alice").await, service.item("alice").await);
    let attached = received(&service, item, 100).await;
    stored(&service, attached).await;
    let open = received(&service, item, 20).await;
    let pending = service.upload("alice", item, 3).await;
    let ended = received(&service, item, 4).await;
    rejected(&service, ended).await;
    let elsewhere = received(&service, other, 5_000).await;
    assert_eq!(service.quota("alice").await, (100, 5_023));

    service.delete_item("alice", item).await;
    assert_eq!(item_deleted(&service, item).await, 3);
    assert_eq!(service.quota("alice").await, (0, 5_000));
    for id in [open, pending] {
        assert_eq!(
            service.upload_status(id).await,
            ("aborted".into(), Some("item_deleted".into()))
        );
        // Until the uploader has said that nothing of it is left.
        assert_eq!(service.saga(id).await, state("compensating", "removing"));
    }
    assert_eq!(service.upload_status(attached).await.0, "removed");
    assert_eq!(service.saga(attached).await, state("compensating", "removing"));
    let kinds = service.kinds(attached).await;
    assert_eq!(kinds[3..], ["upload.removed", "upload.removal_requested"]);
    assert_eq!(service.upload_status(ended).await.0, "rejected");
    assert_eq!(service.upload_status(elsewhere).await.0, "received");

    let before = service.counts().await;
    assert_eq!(item_deleted(&service, item).await, 0);
    assert_eq!(service.counts().await, before);
    assert_eq!(service.quota("alice").await, (0, 5_000));
    // The file of the removed upload is told of again: it is being removed already.
    assert_eq!(stored(&service, attached).await, SagaOutcome::NothingToDo);
    // The uploader had stored one before it heard that its upload was aborted, which asks for the removal by itself.
    assert_eq!(stored(&service, open).await, SagaOutcome::NothingToDo);
}

#[tokio::test]
async fn more_uploads_than_one_page_all_go() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    sqlx::query(
        "WITH uploads AS (
             INSERT INTO command.uploads (id, item_id, owner, file_name, content_type, size_bytes, sha256, status,
                                          version, created_at, updated_at, expires_at)
             SELECT gen_random_uuid(), $1, 'alice', 'f', 'a/b', 1, repeat('0', 64), 'pending', 1, now(), now(), now()
             FROM generate_series(1, 230) RETURNING id),
         account AS (INSERT INTO command.storage_accounts VALUES ('alice', 1000, 0, 230))
         INSERT INTO command.sagas (saga, saga_id, state, step, deadline)
         SELECT 'upload', id, 'running', 'awaiting_bytes', now() + interval '1 hour' FROM uploads",
    )
    .bind(item)
    .execute(&service.pool)
    .await
    .unwrap();
    service.delete_item("alice", item).await;
    assert_eq!(item_deleted(&service, item).await, 230);
    assert_eq!(service.quota("alice").await, (0, 0));
}

#[tokio::test]
async fn a_fact_about_an_upload_that_never_was_is_told_apart() {
    let service = Service::start().await;
    let before = service.counts().await;
    let id = Uuid::now_v7();
    assert_eq!(stored(&service, id).await, SagaOutcome::UnknownUpload);
    assert_eq!(rejected(&service, id).await, SagaOutcome::UnknownUpload);
    assert_eq!(removed(&service, id).await, SagaOutcome::UnknownUpload);
    assert_eq!(service.counts().await, before);
}

/// Everything that can happen to one item and its uploads happens at once, and each fact twice: no deadlock is left
/// unresolved, every upload ends in one outcome, and the quota adds up.
#[tokio::test]
async fn whatever_meets_at_an_item_quota_adds_up_and_every_upload_ends_once() {
    let service = std::sync::Arc::new(Service::start().await);
    for round in 0..6 {
        let owner = "alice";
        let item = service.item(owner).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(received(&service, item, 10).await);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for id in ids.clone() {
            for _ in 0..2 {
                let service = service.clone();
                tasks.spawn(async move {
                    stored(&service, id).await;
                });
            }
            let service = service.clone();
            tasks.spawn(async move {
                let abort = service
                    .by("alice", "DELETE", &format!("/api/v1/uploads/{id}"))
                    .send()
                    .await;
                assert!([204, 409].contains(&abort.status), "{abort}");
            });
        }
        let deleter = service.clone();
        tasks.spawn(async move {
            deleter.delete_item("alice", item).await;
            for _ in 0..2 {
                item_deleted(&deleter, item).await;
            }
        });
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        for id in ids {
            let (status, _) = service.upload_status(id).await;
            assert!(
                ["rejected", "aborted", "removed"].contains(&status.as_str()),
                "round {round}: {status}"
            );
            let outcomes = ["upload.rejected", "upload.aborted", "upload.removed"];
            let kinds = service.kinds(id).await;
            let ends = kinds
                .iter()
                .filter(|kind| outcomes.contains(&kind.as_str()))
                .count();
            assert_eq!(ends, 1, "round {round}: {kinds:?}");
        }
        assert_eq!(service.quota(owner).await, (0, 0), "round {round}");
    }
}
