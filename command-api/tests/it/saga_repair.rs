//! What a repair does to a saga's row, whatever the row says.

use command_api::saga::UPLOAD_SAGA;
use depot_saga::{UndeclaredStep, repair, store::SagaStoreError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::service::Service;

/// `(state, step, attempts, seconds until the deadline)`.
type Row = (String, String, i32, Option<f64>);

async fn row(service: &Service, id: Uuid) -> Option<Row> {
    sqlx::query_as(
        "SELECT state, step, attempts, extract(epoch FROM deadline - updated_at)::float8 FROM command.sagas
         WHERE saga = 'upload' AND saga_id = $1",
    )
    .bind(id)
    .fetch_optional(&service.pool)
    .await
    .unwrap()
}

fn at(state: &str, step: &str, attempts: i32, wait: Option<f64>) -> Option<Row> {
    Some((state.to_owned(), step.to_owned(), attempts, wait))
}

#[tokio::test]
async fn a_saga_is_placed_at_a_step_with_its_wait_and_new_attempts_also_where_it_has_no_row() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    service.complete("alice", id).await.expect(202);
    sqlx::query("UPDATE command.sagas SET attempts = 9, state = 'stuck', deadline = NULL WHERE saga_id = $1")
        .bind(id)
        .execute(&service.pool)
        .await
        .unwrap();
    let mut conn = service.writer.pool().acquire().await.unwrap();
    for id in [id, Uuid::now_v7()] {
        repair::place(&mut conn, &UPLOAD_SAGA, id, "awaiting_file", None)
            .await
            .unwrap();
        assert_eq!(
            row(&service, id).await,
            at("running", "awaiting_file", 0, Some(60.0))
        );
        assert!(repair::ask_now(&mut conn, &UPLOAD_SAGA, id).await.unwrap());
        assert_eq!(
            row(&service, id).await,
            at("running", "awaiting_file", 0, Some(0.0))
        );
        assert!(repair::remove(&mut conn, &UPLOAD_SAGA, id).await.unwrap());
        assert_eq!(row(&service, id).await, None);
        // There is nothing to do twice.
        assert!(!repair::ask_now(&mut conn, &UPLOAD_SAGA, id).await.unwrap());
        assert!(!repair::remove(&mut conn, &UPLOAD_SAGA, id).await.unwrap());
    }
}

#[tokio::test]
async fn a_step_with_a_deadline_that_is_given_is_not_placed_without_one_nor_one_that_is_not_declared() {
    let service = Service::start().await;
    let id = Uuid::now_v7();
    let mut conn = service.writer.pool().acquire().await.unwrap();
    let first = UPLOAD_SAGA.steps[0].name;
    let without = repair::place(&mut conn, &UPLOAD_SAGA, id, first, None).await;
    assert!(
        matches!(without, Err(SagaStoreError::NoDeadline { saga: "upload", saga_id }) if saga_id == id),
        "{without:?}"
    );
    let unknown = repair::place(&mut conn, &UPLOAD_SAGA, id, "resting", None).await;
    assert!(
        matches!(&unknown, Err(SagaStoreError::Undeclared(UndeclaredStep::Step { step, .. })) if step == "resting"),
        "{unknown:?}"
    );
    assert_eq!(row(&service, id).await, None);
    let given = OffsetDateTime::now_utc() + time::Duration::hours(1);
    repair::place(&mut conn, &UPLOAD_SAGA, id, first, Some(given))
        .await
        .unwrap();
    let (_, step, attempts, wait) = row(&service, id).await.unwrap();
    assert_eq!((step.as_str(), attempts), (first, 0));
    assert!(
        wait.is_some_and(|wait| (3_000.0..=3_600.0).contains(&wait)),
        "{wait:?}"
    );
}
