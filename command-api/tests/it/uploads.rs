use serde_json::json;
use uuid::Uuid;

use crate::service::{QUERY, Service};

#[tokio::test]
async fn a_request_reserves_quota_and_answers_a_put_for_the_public_name_of_the_store() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let request = service.upload_request("alice", item, 1_000);
    let answer = request.clone().send().await.expect(201);
    let (id, body) = (answer.text("id"), answer.json());
    assert_eq!(
        (body["status"].as_str(), body["method"].as_str()),
        (Some("pending"), Some("PUT"))
    );
    let url = answer.text("url");
    assert!(
        url.starts_with(&format!("http://store.example:9000/staging/{id}?")),
        "{url}"
    );
    assert!(url.contains("X-Amz-Expires=900"), "{url}");
    let headers = body["headers"].as_object().unwrap();
    assert_eq!(headers["content-type"], "application/pdf");
    assert_eq!(headers["if-none-match"], "*");
    assert!(headers.contains_key("x-amz-checksum-sha256"), "{headers:?}");
    assert_eq!(
        answer.header("location"),
        Some(format!("{QUERY}/api/v1/uploads/{id}").as_str())
    );
    assert_eq!(answer.etag(), "\"1\"");
    assert_eq!(service.quota("alice").await, (0, 1_000));
    let id: Uuid = id.parse().unwrap();
    assert_eq!(service.kinds(id).await, ["upload.requested"]);
    assert_eq!(
        service.saga(id).await,
        ("running".into(), "awaiting_bytes".into())
    );

    let again = request.send().await.expect(201);
    assert!(again.is_replayed());
    assert_eq!(again.body, answer.body);
    assert_eq!(service.quota("alice").await, (0, 1_000));
}

#[tokio::test]
async fn a_file_is_announced_for_an_item_that_is_there_and_ones_own() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    service
        .upload_request("bob", item, 1)
        .send()
        .await
        .expect_problem(403, "forbidden");
    let nowhere = service.upload_request("alice", Uuid::now_v7(), 1).send().await;
    nowhere.expect_problem(404, "item-not-found");
    service.delete_item("alice", item).await;
    service
        .upload_request("alice", item, 1)
        .send()
        .await
        .expect_problem(410, "item-deleted");
    let counts = service.counts().await;
    // The saga is that of the item's deletion.
    assert_eq!(
        (counts["uploads"], counts["accounts"], counts["sagas"]),
        (0, 0, 1)
    );
}

#[tokio::test]
async fn an_item_that_is_full_takes_no_more_files() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    sqlx::query(
        "UPDATE command.items SET files = (SELECT jsonb_agg(jsonb_build_object('upload_id', gen_random_uuid(),
            'file_name', 'f', 'content_type', 'a/b', 'size_bytes', 1, 'sha256', repeat('0', 64)))
         FROM generate_series(1, 100))",
    )
    .execute(&service.pool)
    .await
    .unwrap();
    let refused = service.upload_request("alice", item, 1).send().await;
    assert_eq!(refused.expect_problem(409, "too-many-files").json()["limit"], 100);
}

#[tokio::test]
async fn complete_says_received_once_and_is_no_error_again() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    service.complete("bob", id).await.expect_problem(403, "forbidden");
    let received = service.complete("alice", id).await.expect(202);
    assert_eq!(
        (received.text("status").as_str(), received.etag()),
        ("received", "\"2\"")
    );
    let again = service.complete("alice", id).await.expect(202);
    assert_eq!(again.etag(), "\"2\"");
    assert_eq!(service.kinds(id).await, ["upload.requested", "upload.received"]);
    assert_eq!(service.saga(id).await, ("running".into(), "awaiting_file".into()));
    let seconds: f64 =
        sqlx::query_scalar("SELECT extract(epoch FROM deadline - updated_at)::float8 FROM command.sagas")
            .fetch_one(&service.pool)
            .await
            .unwrap();
    assert_eq!(
        seconds, 60.0,
        "the uploader is asked again, whatever the URL's end"
    );
    let body = service
        .by("alice", "POST", &format!("/api/v1/uploads/{id}/complete"))
        .json(json!({"x": 1}));
    body.send().await.expect_problem(422, "validation-failed");
    let stale = service
        .by("alice", "POST", &format!("/api/v1/uploads/{id}/complete"))
        .if_match("\"1\"");
    stale.send().await.expect_problem(412, "precondition-failed");
    service
        .complete("alice", Uuid::now_v7())
        .await
        .expect_problem(404, "upload-not-found");
}

#[tokio::test]
async fn an_aborted_upload_gives_its_quota_back_and_cannot_be_completed() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, 10).await;
    let path = format!("/api/v1/uploads/{id}");
    service
        .by("bob", "DELETE", &path)
        .send()
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(
        service
            .by("alice", "DELETE", &path)
            .send()
            .await
            .expect(204)
            .etag(),
        "\"2\""
    );
    assert_eq!(
        service
            .by("alice", "DELETE", &path)
            .send()
            .await
            .expect(204)
            .etag(),
        "\"2\""
    );
    assert_eq!(service.quota("alice").await, (0, 0));
    let ended = service
        .complete("alice", id)
        .await
        .expect_problem(409, "upload-ended");
    assert_eq!(
        (ended.text("upload_status").as_str(), ended.etag()),
        ("aborted", "\"2\"")
    );
    assert_eq!(service.kinds(id).await, ["upload.requested", "upload.aborted"]);
    assert_eq!(service.saga(id).await, ("compensated".into(), "aborted".into()));
}

#[tokio::test]
async fn a_type_of_content_that_is_not_accepted_is_refused_with_those_that_are() {
    let own = [("UPLOAD_CONTENT_TYPES", "image/png, text/html")];
    let service = Service::start_with(&own).await;
    let item = service.item("alice").await;
    let before = service.counts().await;
    let request = |content_type: &str| {
        service.upload_request("alice", item, 1).json(json!({
            "item_id": item, "file_name": "a", "content_type": content_type, "size_bytes": 1,
            "sha256": "ab".repeat(32),
        }))
    };
    let refused = request("application/pdf").send().await;
    let refused = refused.expect_problem(422, "validation-failed");
    assert_eq!(refused.pointers(), ["/content_type"]);
    let detail = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, "is application/pdf, accepted are image/png, text/html");
    assert_eq!(service.counts().await, before, "nothing is left behind");
    request("Text/HTML").send().await.expect(201);
}
