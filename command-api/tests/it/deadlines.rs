//! Nobody answers: the saga asks again, counts, and is stuck in the end, until the answer comes or it is resumed.

use command_api::saga::{SagaOutcome, UPLOAD_SAGA, UploadDeadlines, file_removed, file_stored};
use depot_domain::{CommandId, UploadId};
use depot_saga::{
    Resumed, SagaState,
    timeout::{self, Due, OnTimeout as _, TimeoutOptions, TimeoutOutcome},
};
use serde_json::json;
use uuid::Uuid;

use crate::service::Service;

const KEY: &str = "abab/first";

/// The deadline of the upload passes, and is handled.
async fn time_out(service: &Service, id: Uuid) -> TimeoutOutcome {
    sqlx::query("UPDATE command.sagas SET deadline = now() WHERE saga_id = $1 AND deadline IS NOT NULL")
        .bind(id)
        .execute(&service.pool)
        .await
        .unwrap();
    let handler = UploadDeadlines(service.writer.clone());
    timeout::step(
        service.writer.pool(),
        &UPLOAD_SAGA,
        TimeoutOptions::default(),
        &handler,
    )
    .await
    .unwrap()
}

/// `(attempts, seconds until the deadline)`.
async fn waiting(service: &Service, id: Uuid) -> (i32, Option<f64>) {
    sqlx::query_as(
        "SELECT attempts, extract(epoch FROM deadline - updated_at)::float8 FROM command.sagas
         WHERE saga = 'upload' AND saga_id = $1",
    )
    .bind(id)
    .fetch_one(&service.pool)
    .await
    .unwrap()
}

async fn received(service: &Service, item: Uuid, size: i64) -> Uuid {
    let id = service.upload("alice", item, size).await;
    service.complete("alice", id).await.expect(202);
    id
}

async fn stored(service: &Service, id: Uuid) -> SagaOutcome {
    file_stored(&service.writer, UploadId(id), KEY, None, CommandId::generate())
        .await
        .unwrap()
}

fn state(state: &str, step: &str) -> (String, String) {
    (state.to_owned(), step.to_owned())
}

#[tokio::test]
async fn what_the_uploader_never_answers_is_asked_again_with_growing_waits_in_new_versions() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 10).await;
    assert_eq!(waiting(&service, id).await, (0, Some(60.0)));
    for (attempt, wait) in [(1, 120.0), (2, 240.0), (3, 480.0)] {
        assert_eq!(
            time_out(&service, id).await,
            TimeoutOutcome::Handled { taken: 1, failed: 0 }
        );
        assert_eq!(waiting(&service, id).await, (attempt, Some(wait)));
    }
    // `kinds` checks that the versions are without a gap.
    let kinds = service.kinds(id).await;
    assert_eq!(kinds[1..], ["upload.received"; 4]);
    assert_eq!(service.events(id).await[4].data["upload"]["status"], "received");
    assert_eq!(service.quota("alice").await, (0, 10));
    // The answer to any of them ends the waiting, once.
    assert_eq!(stored(&service, id).await, SagaOutcome::Attached);
    assert_eq!(stored(&service, id).await, SagaOutcome::NothingToDo);
    assert_eq!(waiting(&service, id).await, (0, None));
    assert_eq!(time_out(&service, id).await, TimeoutOutcome::Nothing);
    assert_eq!(service.quota("alice").await, (10, 0));
}

#[tokio::test]
async fn a_removal_that_is_never_confirmed_is_asked_for_again() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 10).await;
    service.delete_item("alice", item).await;
    assert_eq!(stored(&service, id).await, SagaOutcome::RemovalRequested);
    let before = service.kinds(id).await.len();
    time_out(&service, id).await;
    let kinds = service.kinds(id).await;
    assert_eq!(kinds[before..], ["upload.removal_requested"]);
    assert_eq!(
        service.upload_status(id).await.0,
        "rejected",
        "its outcome stands"
    );
    assert_eq!(service.saga(id).await, state("compensating", "removing"));
}

#[tokio::test]
async fn one_deadline_taken_by_two_asks_once() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = received(&service, item, 10).await;
    let due = Due {
        saga_id: id,
        step: "awaiting_file".to_owned(),
        attempts: 0,
    };
    let handler = UploadDeadlines(service.writer.clone());
    for _ in 0..2 {
        handler.timed_out(&due).await.unwrap();
    }
    assert_eq!(service.kinds(id).await[1..], ["upload.received"; 2]);
    assert_eq!(waiting(&service, id).await.0, 1);
}

#[tokio::test]
async fn a_saga_that_asked_as_often_as_declared_is_stuck_until_it_is_resumed_or_answered() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let (answered, resumed) = (
        received(&service, item, 10).await,
        received(&service, item, 10).await,
    );
    for id in [answered, resumed] {
        sqlx::query("UPDATE command.sagas SET attempts = 30 WHERE saga_id = $1")
            .bind(id)
            .execute(&service.pool)
            .await
            .unwrap();
        time_out(&service, id).await;
        assert_eq!(service.saga(id).await, state("stuck", "awaiting_file"));
        assert_eq!(waiting(&service, id).await, (30, None));
        assert_eq!(time_out(&service, id).await, TimeoutOutcome::Nothing);
        assert_eq!(
            service.kinds(id).await.len(),
            2,
            "nothing more is asked by itself"
        );
    }
    let mut conn = service.writer.pool().acquire().await.unwrap();
    assert_eq!(depot_saga::stuck(&mut conn, &UPLOAD_SAGA).await.unwrap(), 2);
    let counted = |running, stuck| {
        [
            (SagaState::Running, running),
            (SagaState::Compensating, 0),
            (SagaState::Stuck, stuck),
        ]
    };
    let open = depot_saga::overview::count_open(&mut conn, &UPLOAD_SAGA).await;
    assert_eq!(open.unwrap(), counted(0, 2));

    assert_eq!(stored(&service, answered).await, SagaOutcome::Attached);
    assert_eq!(service.saga(answered).await, state("completed", "attached"));

    let outcomes = [
        (resumed, Resumed::Resumed),
        (resumed, Resumed::NotStuck),
        (answered, Resumed::NotStuck),
        (item, Resumed::Unknown),
    ];
    for (id, outcome) in outcomes {
        let resumption = depot_saga::resume(&mut conn, &UPLOAD_SAGA, id).await.unwrap();
        assert_eq!(resumption, outcome);
    }
    assert_eq!(depot_saga::stuck(&mut conn, &UPLOAD_SAGA).await.unwrap(), 0);
    let open = depot_saga::overview::count_open(&mut conn, &UPLOAD_SAGA).await;
    assert_eq!(open.unwrap(), counted(1, 0), "what has ended is not looked at");
    assert_eq!(waiting(&service, resumed).await.0, 0);
    time_out(&service, resumed).await;
    assert_eq!(service.kinds(resumed).await[1..], ["upload.received"; 2]);
}

#[tokio::test]
async fn what_was_reserved_is_honoured_though_the_limit_was_lowered_meanwhile() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "100")]).await;
    let item = service.item("alice").await;
    let id = received(&service, item, 80).await;
    service
        .by_admin("PUT", "/api/v1/accounts/alice/limit")
        .json(json!({"limit_bytes": 10}))
        .send()
        .await
        .expect(200);
    assert_eq!(stored(&service, id).await, SagaOutcome::Attached);
    assert_eq!(service.quota("alice").await, (80, 0));
    service
        .upload_request("alice", item, 1)
        .send()
        .await
        .expect_problem(409, "quota-exceeded");
    // Every path back to nothing works from above the limit too.
    service.delete_item("alice", item).await;
    let item = depot_domain::ItemId(item);
    command_api::saga::end_uploads_of_item(&service.writer, item, CommandId::generate())
        .await
        .unwrap();
    assert_eq!(service.quota("alice").await, (0, 0));
    let removed = file_removed(&service.writer, UploadId(id), CommandId::generate()).await;
    assert_eq!(removed.unwrap(), SagaOutcome::Removed);
}
