//! Sagas as operators see them, and set them going again.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    admin::audit,
    service::{Service, new_key},
};

async fn get(service: &Service, path: &str) -> Value {
    let path = format!("/api/v1/admin/sagas{path}");
    service.by_admin("GET", &path).send().await.expect(200).json()
}

fn ids(page: &Value) -> Vec<(String, Uuid)> {
    let sagas = page["sagas"].as_array().unwrap().iter();
    sagas
        .map(|saga| {
            let text = |name: &str| saga[name].as_str().unwrap().to_owned();
            (text("saga"), text("id").parse().unwrap())
        })
        .collect()
}

async fn get_stuck(service: &Service, id: Uuid) {
    sqlx::query(
        "UPDATE command.sagas SET state = 'stuck', attempts = 30, deadline = NULL WHERE saga_id = $1",
    )
    .bind(id)
    .execute(&service.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn sagas_are_listed_by_kind_and_a_walk_shows_each_once() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let mut uploads = Vec::new();
    for n in 0..7 {
        let id = service.upload("alice", item, 10).await;
        if n % 2 == 0 {
            service.complete("alice", id).await.expect(202);
        }
        uploads.push(id);
    }
    let other = service.item("alice").await;
    service.delete_item("alice", other).await;
    let deletion: Vec<Uuid> =
        sqlx::query_scalar("SELECT saga_id FROM command.sagas WHERE saga = 'item_deletion'")
            .fetch_all(&service.pool)
            .await
            .unwrap();
    get_stuck(&service, uploads[2]).await;

    for page_size in [1, 2, 3, 50] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&service, &format!("?limit={page_size}{cursor}")).await;
            seen.extend(ids(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected = deletion.iter().map(|id| ("item_deletion".to_owned(), *id));
        let expected: Vec<_> = expected
            .chain(uploads.iter().map(|id| ("upload".to_owned(), *id)))
            .collect();
        assert_eq!(seen, expected, "by pages of {page_size}");
    }
    for (query, expected) in [
        ("?state=stuck", vec![uploads[2]]),
        (
            "?saga=upload&step=awaiting_file&state=running",
            vec![uploads[0], uploads[4], uploads[6]],
        ),
        (
            "?step=awaiting_file",
            vec![uploads[0], uploads[2], uploads[4], uploads[6]],
        ),
        ("?saga=item_deletion", deletion),
        ("?state=compensated", vec![]),
    ] {
        let found: Vec<_> = ids(&get(&service, query).await)
            .into_iter()
            .map(|(_, id)| id)
            .collect();
        assert_eq!(found, expected, "{query}");
    }
    let first = get(&service, "?limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    for bad in [
        format!("limit=1&state=stuck&cursor={cursor}"),
        "cursor=x".into(),
        "limit=201".into(),
        "state=lost".into(),
        "saga=payment".into(),
        "step=paying".into(),
        "colour=red".into(),
    ] {
        let refused = service
            .by_admin("GET", &format!("/api/v1/admin/sagas?{bad}"))
            .send()
            .await;
        refused.expect_problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_stuck_saga_is_shown_and_resumed_once_with_its_audit() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    service.complete("alice", id).await.expect(202);
    let path = format!("/api/v1/admin/sagas/upload/{id}");
    let resume = |key: &str| {
        service
            .by_admin("POST", &format!("{path}/resume"))
            .key(key)
            .send()
    };
    resume(&new_key()).await.expect_problem(409, "saga-not-stuck");
    for none in [
        format!("/api/v1/admin/sagas/upload/{item}"),
        format!("/api/v1/admin/sagas/payment/{id}"),
    ] {
        let read = service.by_admin("GET", &none).send().await;
        read.expect_problem(404, "saga-not-found");
        let resumed = service.by_admin("POST", &format!("{none}/resume")).send().await;
        resumed.expect_problem(404, "saga-not-found");
    }
    let bad = service
        .by_admin("GET", "/api/v1/admin/sagas/upload/x")
        .send()
        .await;
    bad.expect_problem(400, "invalid-parameter");
    assert_eq!(audit(&service).await, [], "what was refused left nothing");

    get_stuck(&service, id).await;
    let shown = get(&service, &format!("/upload/{id}")).await;
    let about = json!({
        "kind": "upload", "owner": "alice", "item_id": item, "status": "received", "version": 2,
    });
    assert_eq!(shown["subject"], about);
    assert_eq!(
        (&shown["state"], &shown["attempts"], &shown["deadline"]),
        (&json!("stuck"), &json!(30), &Value::Null)
    );
    assert_eq!(shown["meaning"], "the uploader verifies and stores");
    let key = new_key();
    assert_eq!(
        resume(&key).await.expect(202).json(),
        json!({"saga": "upload", "id": id})
    );
    assert!(resume(&key).await.expect(202).is_replayed());
    let shown = get(&service, &format!("/upload/{id}")).await;
    assert_eq!(
        (&shown["state"], &shown["attempts"]),
        (&json!("running"), &json!(0))
    );
    assert!(shown["deadline"].is_string());
    let done = (
        "root".to_owned(),
        "saga.resume".to_owned(),
        format!("upload/{id}"),
    );
    assert_eq!(
        audit(&service).await,
        [done],
        "once, though it was asked for twice"
    );
    resume(&new_key()).await.expect_problem(409, "saga-not-stuck");
}

#[tokio::test]
async fn nothing_is_resumed_where_the_audit_cannot_be_written() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    service.complete("alice", id).await.expect(202);
    get_stuck(&service, id).await;
    sqlx::query("REVOKE INSERT ON command.audit FROM depot_command")
        .execute(&service.pool)
        .await
        .unwrap();
    let path = format!("/api/v1/admin/sagas/upload/{id}/resume");
    service
        .by_admin("POST", &path)
        .send()
        .await
        .expect_problem(500, "internal");
    assert_eq!(
        service.saga(id).await,
        ("stuck".to_owned(), "awaiting_file".to_owned())
    );
    assert_eq!(audit(&service).await, []);
}
