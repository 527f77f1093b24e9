use depot_service::health::ReadinessReport;
use serde_json::json;
use uuid::Uuid;

use crate::{
    client::Request,
    service::{Service, metric, new_key},
};

#[tokio::test]
async fn with_the_database_away_commands_are_answered_503_and_the_process_says_what_it_waits_for() {
    let service = Service::without_database().await;
    let create = service
        .by("alice", "POST", "/api/v1/items")
        .key("k")
        .json(json!({"name": "a"}));
    let away = create.send().await.expect_problem(503, "unavailable");
    assert!(away.header("retry-after").is_some());
    let account = service.by("alice", "GET", "/api/v1/accounts/alice");
    account.send().await.expect_problem(503, "unavailable");
    service.bare("GET", "/health").send().await.expect(200);
    Request::new(service.admin_address, "GET", "/livez")
        .send()
        .await
        .expect(200);
    let unready = Request::new(service.admin_address, "GET", "/readyz")
        .send()
        .await
        .expect(503);
    let report: ReadinessReport = serde_json::from_slice(&unready.body).unwrap();
    assert_eq!(
        report
            .waiting_for
            .iter()
            .map(|part| part.name.as_str())
            .collect::<Vec<_>>(),
        ["database", "installation"]
    );
}

#[tokio::test]
async fn a_row_that_others_hold_for_too_long_is_answered_503_and_the_key_stays_free() {
    let service = Service::start().await;
    let id = service.item("alice").await;
    let before = service.counts().await;
    let mut holder = service.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM command.items FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let put = service
        .by("alice", "PUT", &format!("/api/v1/items/{id}"))
        .if_match("*")
        .key("k");
    let put = put.json(json!({"name": "b"}));
    let busy = put.clone().send().await.expect_problem(503, "busy");
    assert!(busy.header("retry-after").is_some());
    assert_eq!(service.counts().await, before);
    holder.rollback().await.unwrap();
    assert!(!put.send().await.expect(200).is_replayed());
}

#[tokio::test]
async fn a_command_that_is_the_victim_of_a_deadlock_runs_again() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let deadlocks = "depot_db_conflicts_total{kind=\"deadlock\"}";
    let before = metric(&service, deadlocks).await;
    // Who waits first looks for a deadlock first, so the command is the victim unless this test is held up for a
    // second between two statements: then it tries again.
    for _ in 0..10 {
        let id = service.upload("alice", item, 10).await;
        if command_was_the_victim(&service, id).await {
            assert_eq!(service.quota("alice").await, (0, 0));
            assert_eq!(service.kinds(id).await, ["upload.requested", "upload.aborted"]);
            assert!(metric(&service, deadlocks).await > before, "it is counted");
            return;
        }
    }
    panic!("the command was never the victim");
}

/// Locks against the order of the service: the upload first, the account second.
async fn command_was_the_victim(service: &Service, id: Uuid) -> bool {
    let mut other = service.pool.begin().await.unwrap();
    let upload = sqlx::query("SELECT FROM command.uploads WHERE id = $1 FOR UPDATE").bind(id);
    upload.execute(&mut *other).await.unwrap();
    let abort = service
        .by("alice", "DELETE", &format!("/api/v1/uploads/{id}"))
        .key(&new_key());
    let aborting = tokio::spawn(abort.send());
    service.somebody_waits().await;
    let account = sqlx::query("SELECT FROM command.storage_accounts FOR UPDATE")
        .execute(&mut *other)
        .await;
    let given_way = account.is_ok();
    other.rollback().await.unwrap();
    aborting.await.unwrap().expect(204);
    given_way
}
