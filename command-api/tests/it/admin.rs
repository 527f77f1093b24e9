//! What operators see and do.

use depot_service::auth::Role;
use serde_json::json;
use uuid::Uuid;

use crate::service::{Service, new_key, token};

/// `(actor, action, subject)` of all that is in the audit, in order.
pub async fn audit(service: &Service) -> Vec<(String, String, String)> {
    sqlx::query_as("SELECT actor, action, subject FROM command.audit ORDER BY id")
        .fetch_all(&service.pool)
        .await
        .unwrap()
}

async fn park(service: &Service, aggregate: Uuid) {
    sqlx::query(
        "INSERT INTO command.outbox_parked_aggregates (aggregate_id, shard, reason) VALUES ($1, 3, 'too large')",
    )
    .bind(aggregate)
    .execute(&service.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO command.outbox_parked (id, occurred_at, aggregate_version, aggregate_id, event_id, shard, topic,
                                            event_type, headers, payload)
         VALUES (1, now(), 1, $1, $1, 3, 't', 'e', '', '')",
    )
    .bind(aggregate)
    .execute(&service.pool)
    .await
    .unwrap();
}

async fn is_resume_requested(service: &Service, aggregate: Uuid) -> bool {
    sqlx::query_scalar(
        "SELECT resume_requested FROM command.outbox_parked_aggregates WHERE aggregate_id = $1",
    )
    .bind(aggregate)
    .fetch_one(&service.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn nothing_under_admin_is_told_or_done_without_the_role_admin() {
    let service = Service::start().await;
    let aggregate = Uuid::now_v7();
    park(&service, aggregate).await;
    let resume = format!("/api/v1/admin/outbox/parked/{aggregate}/resume");
    let saga = format!("/api/v1/admin/sagas/upload/{aggregate}");
    let resume_saga = format!("{saga}/resume");
    for (method, path) in [
        ("GET", "/api/v1/admin/outbox"),
        ("POST", resume.as_str()),
        ("DELETE", resume.as_str()),
        ("GET", "/api/v1/admin/no-such-thing"),
        ("GET", "/api/v1/admin/sagas"),
        ("GET", "/api/v1/admin/dlq"),
        ("POST", "/api/v1/admin/dlq/redrive"),
        ("POST", "/api/v1/admin/dlq/discard"),
        ("GET", "/api/v1/admin/trace/0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"),
        ("GET", "/api/v1/admin/republish"),
        ("POST", "/api/v1/admin/republish"),
        ("GET", saga.as_str()),
        ("POST", resume_saga.as_str()),
    ] {
        let refused = service.bare(method, path).send().await;
        assert!(
            refused
                .expect_problem(401, "unauthorized")
                .header("www-authenticate")
                .is_some()
        );
        service
            .by("alice", method, path)
            .send()
            .await
            .expect_problem(403, "forbidden");
        let reader = token("bob", &[Role::Reader]);
        let refused = service.bare(method, path).token(&reader).send().await;
        refused.expect_problem(403, "forbidden");
    }
    assert!(!is_resume_requested(&service, aggregate).await);
    assert_eq!(audit(&service).await, []);
    service
        .by_admin("GET", "/api/v1/admin/no-such-thing")
        .send()
        .await
        .expect_problem(404, "not-found");
    service
        .by_admin("DELETE", &resume)
        .send()
        .await
        .expect_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn a_parked_aggregate_is_seen_and_resumed_and_the_audit_says_by_whom() {
    let service = Service::start().await;
    service.item("alice").await;
    let aggregate = Uuid::now_v7();
    park(&service, aggregate).await;
    let read = service.by_admin("GET", "/api/v1/admin/outbox").send().await;
    let outbox = read.expect(200).json();
    assert_eq!(outbox["rows"], 1);
    assert_eq!(outbox["is_capped"], false);
    assert!(outbox["oldest_at"].is_string());
    let mut parked = outbox["parked"][0].clone();
    assert!(parked["parked_at"].take().is_string());
    let expected = json!({
        "aggregate_id": aggregate, "shard": 3, "rows": 1, "reason": "too large", "parked_at": null,
        "is_resume_requested": false,
    });
    assert_eq!(parked, expected);

    let path = format!("/api/v1/admin/outbox/parked/{aggregate}/resume");
    let key = new_key();
    let resume = || service.by_admin("POST", &path).key(&key).send();
    assert_eq!(resume().await.expect(202).json()["is_resume_requested"], true);
    assert!(resume().await.expect(202).is_replayed());
    assert!(is_resume_requested(&service, aggregate).await);
    let done = (
        "root".to_owned(),
        "outbox.resume".to_owned(),
        aggregate.to_string(),
    );
    assert_eq!(
        audit(&service).await,
        [done],
        "once, though it was asked for twice"
    );
}

#[tokio::test]
async fn what_is_not_parked_cannot_be_resumed_and_leaves_no_audit() {
    let service = Service::start().await;
    let path = format!("/api/v1/admin/outbox/parked/{}/resume", Uuid::now_v7());
    let refused = service.by_admin("POST", &path).send().await;
    refused.expect_problem(404, "aggregate-not-parked");
    let refused = service
        .by_admin("POST", "/api/v1/admin/outbox/parked/x/resume")
        .send()
        .await;
    refused.expect_problem(400, "invalid-parameter");
    assert_eq!(audit(&service).await, []);
}
