use command_api::{
    commands::{Actor, CompleteUpload, Precondition, UseCase as _},
    saga::{UPLOAD_SAGA, UploadDeadlines},
    store::transaction::ROW_LOCK_TIMEOUT,
};
use depot_domain::{CommandId, Owner, UploadId};
use depot_saga::timeout::{self, Due, OnTimeout as _, TimeoutOptions, TimeoutOutcome};
use uuid::Uuid;

use crate::service::Service;

async fn step(service: &Service) -> TimeoutOutcome {
    let options = TimeoutOptions {
        batch: 2,
        ..TimeoutOptions::default()
    };
    let expiry = UploadDeadlines(service.writer.clone());
    timeout::step(service.writer.pool(), &UPLOAD_SAGA, options, &expiry)
        .await
        .unwrap()
}

/// The deadline of an upload whose bytes are awaited.
fn of_bytes(id: Uuid) -> Due {
    Due {
        saga_id: id,
        step: "awaiting_bytes".to_owned(),
        attempts: 0,
    }
}

async fn make_due(service: &Service) {
    sqlx::query("UPDATE command.sagas SET deadline = now() - interval '1 second' WHERE deadline IS NOT NULL")
        .execute(&service.pool)
        .await
        .unwrap();
}

fn completion(id: Uuid) -> CompleteUpload {
    let actor = Actor {
        subject: Owner::parse("alice").unwrap(),
        is_admin: false,
    };
    CompleteUpload {
        actor,
        id: UploadId(id),
        precondition: Precondition::None,
    }
}

#[tokio::test]
async fn the_deadline_is_the_end_of_the_url_and_a_grace_by_the_databases_clock() {
    let settings = [("UPLOAD_URL_TTL_SECONDS", "100"), ("UPLOAD_GRACE_SECONDS", "7")];
    let service = Service::start_with(&settings).await;
    let item = service.item("alice").await;
    service.upload("alice", item, 1).await;
    let (ttl, grace): (f64, f64) = sqlx::query_as(
        "SELECT extract(epoch FROM u.expires_at - u.created_at)::float8,
                extract(epoch FROM s.deadline - u.expires_at)::float8
         FROM command.uploads u JOIN command.sagas s ON s.saga_id = u.id",
    )
    .fetch_one(&service.pool)
    .await
    .unwrap();
    assert_eq!((ttl, grace), (100.0, 7.0));
    assert_eq!(step(&service).await, TimeoutOutcome::Nothing);
}

#[tokio::test]
async fn uploads_that_were_never_completed_expire_in_batches_and_release_their_quota() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(service.upload("alice", item, 10).await);
    }
    make_due(&service).await;
    assert_eq!(
        step(&service).await,
        TimeoutOutcome::Handled { taken: 2, failed: 0 }
    );
    assert_eq!(
        step(&service).await,
        TimeoutOutcome::Handled { taken: 1, failed: 0 }
    );
    assert_eq!(step(&service).await, TimeoutOutcome::Nothing);
    assert_eq!(service.quota("alice").await, (0, 0));
    for id in ids {
        assert_eq!(service.upload_status(id).await.0, "expired");
        assert_eq!(service.saga(id).await, ("compensated".into(), "expired".into()));
        assert_eq!(service.kinds(id).await, ["upload.requested", "upload.expired"]);
        service
            .complete("alice", id)
            .await
            .expect_problem(409, "upload-ended");
        // Told twice, as after a crash between its commit and the next deadline.
        UploadDeadlines(service.writer.clone())
            .timed_out(&of_bytes(id))
            .await
            .unwrap();
        assert_eq!(service.kinds(id).await.len(), 2);
    }
    assert_eq!(service.quota("alice").await, (0, 0));
}

#[tokio::test]
async fn a_completed_upload_does_not_expire_however_late_it_gets() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    service.complete("alice", id).await.expect(202);
    assert_eq!(step(&service).await, TimeoutOutcome::Nothing);
    // Even if its deadline had been taken before.
    UploadDeadlines(service.writer.clone())
        .timed_out(&of_bytes(id))
        .await
        .unwrap();
    assert_eq!(service.upload_status(id).await.0, "received");
    assert_eq!(service.quota("alice").await, (0, 10));
}

#[tokio::test]
async fn where_complete_has_the_row_first_the_expiry_leaves_it() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    make_due(&service).await;
    let mut unit = service
        .writer
        .begin(CommandId::generate(), ROW_LOCK_TIMEOUT)
        .await
        .unwrap();
    completion(id).execute(&mut unit).await.unwrap();
    let expiry = UploadDeadlines(service.writer.clone());
    let expiring = tokio::spawn(async move { expiry.timed_out(&of_bytes(id)).await });
    service.somebody_waits().await;
    unit.commit().await.unwrap();
    expiring.await.unwrap().unwrap();
    assert_eq!(service.upload_status(id).await.0, "received");
    assert_eq!(service.quota("alice").await, (0, 10));
    assert_eq!(service.kinds(id).await, ["upload.requested", "upload.received"]);
}

#[tokio::test]
async fn where_the_expiry_has_the_row_first_complete_is_refused() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    // The saga's row is the last that an expiry locks: holding it stops the expiry with the upload's lock in its hand.
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.sagas FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let expiry = UploadDeadlines(service.writer.clone());
    let expiring = tokio::spawn(async move { expiry.timed_out(&of_bytes(id)).await });
    service.somebody_waits().await;
    let path = format!("/api/v1/uploads/{id}/complete");
    let completing = tokio::spawn(service.by("alice", "POST", &path).send());
    holder.commit().await.unwrap();
    expiring.await.unwrap().unwrap();
    completing.await.unwrap().expect_problem(409, "upload-ended");
    assert_eq!(service.upload_status(id).await.0, "expired");
    assert_eq!(service.quota("alice").await, (0, 0));
    assert_eq!(service.kinds(id).await, ["upload.requested", "upload.expired"]);
}

#[tokio::test]
async fn a_deadline_whose_taker_dies_is_due_again_after_the_lease() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    make_due(&service).await;
    let mut conn = service.writer.pool().acquire().await.unwrap();
    // Taken, and never handled.
    let taken = depot_saga::store::take_due(&mut conn, &UPLOAD_SAGA, 10, 0.0)
        .await
        .unwrap();
    assert_eq!(taken, [of_bytes(id)]);
    depot_test_stack::wait_until("the deadline is due again", || async {
        step(&service).await != TimeoutOutcome::Nothing
    })
    .await;
    assert_eq!(service.upload_status(id).await.0, "expired");
}

#[tokio::test]
async fn a_deadline_that_another_holds_is_left_to_it() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    service.upload("alice", item, 10).await;
    make_due(&service).await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.sagas FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    assert_eq!(step(&service).await, TimeoutOutcome::Nothing);
    holder.rollback().await.unwrap();
    assert_eq!(
        step(&service).await,
        TimeoutOutcome::Handled { taken: 1, failed: 0 }
    );
}
