//! Large files: announced, sent and resumed in parts.

use serde_json::json;
use uuid::Uuid;

use crate::{
    client::{Request, Response},
    service::Service,
    staging::{Staging, parts_of, put_signed},
};

const PART: i64 = 5 * 1024 * 1024;
/// Two parts and a short one.
const SIZE: i64 = 2 * PART + 1_000;
const SMALL_PARTS: [(&str, &str); 2] = [
    ("MULTIPART_OVER_BYTES", "1000"),
    ("MULTIPART_PART_BYTES", "5242880"),
];

impl Service {
    fn sign(&self, owner: &str, upload: Uuid, first: i32, count: i32) -> Request {
        self.by(owner, "POST", &format!("/api/v1/uploads/{upload}/parts"))
            .json(json!({"first": first, "count": count}))
    }

    async fn arrived(&self, owner: &str, upload: Uuid) -> Response {
        self.by(owner, "GET", &format!("/api/v1/uploads/{upload}/parts"))
            .send()
            .await
    }
}

#[tokio::test]
async fn a_file_over_the_limit_is_announced_in_parts_and_one_at_the_limit_whole() {
    let service = Service::start_with(&[("DEFAULT_QUOTA_BYTES", "100000000000")]).await;
    let item = service.item("alice").await;
    let limit = 64 * 1024 * 1024;
    let whole = service
        .upload_request("alice", item, limit)
        .send()
        .await
        .expect(201)
        .json();
    assert_eq!(whole["method"], "PUT");
    assert!(whole["url"].is_string() && whole["headers"].is_object() && whole.get("part_count").is_none());

    let request = service.upload_request("alice", item, limit + 1);
    let answer = request.clone().send().await.expect(201);
    let (id, body) = (answer.text("id"), answer.json());
    let expected = json!({
        "id": id, "status": "pending", "method": "multipart",
        "part_size_bytes": 16 * 1024 * 1024, "part_count": 5, "parts_url": format!("/api/v1/uploads/{id}/parts"),
        "expires_at": body["expires_at"],
    });
    assert_eq!(body, expected);
    assert_eq!(service.quota("alice").await, (0, limit * 2 + 1));
    assert!(
        request.send().await.expect(201).is_replayed(),
        "no store is needed, and none is there"
    );

    let (lasts, grace): (f64, f64) = sqlx::query_as(
        "SELECT extract(epoch FROM expires_at - created_at)::float8, extract(epoch FROM deadline - expires_at)::float8
         FROM command.uploads JOIN command.sagas ON saga_id = id WHERE id::text = $1",
    )
    .bind(&id)
    .fetch_one(&service.pool)
    .await
    .unwrap();
    assert_eq!((lasts, grace), (86_400.0, 60.0), "parts may be sent for a day");
    let largest = service
        .upload_request("alice", item, 5 * 1024 * 1024 * 1024)
        .send()
        .await;
    assert_eq!(largest.expect(201).json()["part_count"], 320);
}

#[tokio::test]
async fn parts_are_signed_on_demand_and_what_arrived_is_told() {
    let staging = Staging::new().await;
    let service = staging.service(&SMALL_PARTS).await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, SIZE).await;
    assert!(parts_of(&service.arrived("alice", id).await.expect(200)).is_empty());
    assert!(staging.open().await.is_empty(), "begun when it is needed");

    let signed = service.sign("alice", id, 2, 2).send().await.expect(200);
    assert_eq!(parts_of(&signed), [(2, PART), (3, 1_000)]);
    let last = &signed.json()["parts"][1];
    assert_eq!(last["offset_bytes"], 2 * PART);
    assert!(
        last["url"].as_str().unwrap().contains("X-Amz-Expires=900"),
        "{last}"
    );
    assert_ne!(put_signed(last, &vec![7; 1_001]).await, 200, "another size");
    assert_eq!(put_signed(last, &vec![7; 1_000]).await, 200);
    assert_eq!(put_signed(last, &vec![8; 1_000]).await, 200, "again is no error");
    let first = service.sign("alice", id, 1, 1).send().await.expect(200);
    assert_eq!(
        put_signed(&first.json()["parts"][0], &vec![1; PART as usize]).await,
        200
    );
    assert_eq!(staging.open().await.len(), 1, "the same multipart upload");

    let arrived = service.arrived("alice", id).await.expect(200);
    assert_eq!(parts_of(&arrived), [(1, PART), (3, 1_000)]);
    assert_eq!(
        (arrived.text("status").as_str(), &arrived.json()["part_count"]),
        ("pending", &json!(3))
    );

    let received = service.complete("alice", id).await.expect(202);
    assert_eq!(received.etag(), "\"2\"");
    let events = service.events(id).await;
    assert!(
        events[0].data["upload"].get("multipart").is_none(),
        "{:?}",
        events[0]
    );
    let told = &events[1].data["upload"]["multipart"];
    assert_eq!(
        *told,
        json!({"id": staging.open().await[0], "part_size_bytes": PART})
    );

    let late = service.sign("alice", id, 1, 1).send().await;
    let late = late.expect_problem(409, "upload-takes-no-bytes");
    assert_eq!(late.text("upload_status"), "received");
    let after = service.arrived("alice", id).await.expect(200);
    assert!(after.text("status") == "received" && parts_of(&after).is_empty());
}

#[tokio::test]
async fn parts_are_for_the_owner_of_a_large_upload_that_still_takes_them() {
    let staging = Staging::new().await;
    let service = staging.service(&SMALL_PARTS).await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, SIZE).await;
    let sign = async |owner: &str, id: Uuid| service.sign(owner, id, 1, 1).send().await;
    sign("bob", id).await.expect_problem(403, "forbidden");
    service.arrived("bob", id).await.expect_problem(403, "forbidden");
    let by_admin = service.by_admin("GET", &format!("/api/v1/uploads/{id}/parts"));
    by_admin.send().await.expect(200);
    let nobody = service.bare("GET", &format!("/api/v1/uploads/{id}/parts"));
    nobody.send().await.expect_problem(401, "unauthorized");
    sign("alice", Uuid::now_v7())
        .await
        .expect_problem(404, "upload-not-found");
    service
        .arrived("alice", Uuid::now_v7())
        .await
        .expect_problem(404, "upload-not-found");
    let no_id = service.by("alice", "GET", "/api/v1/uploads/7/parts");
    no_id.send().await.expect_problem(400, "invalid-parameter");
    let whole = service.upload("alice", item, 1_000).await;
    sign("alice", whole)
        .await
        .expect_problem(409, "upload-not-in-parts");
    service
        .arrived("alice", whole)
        .await
        .expect_problem(409, "upload-not-in-parts");

    let cases = [
        (json!({"first": 0, "count": 1}), "/first"),
        (json!({"first": 4, "count": 1}), "/first"),
        (json!({"first": 2, "count": 3}), "/count"),
        (json!({"first": 1, "count": 101}), "/count"),
        (json!({"first": 1, "count": "x"}), "/count"),
        (json!({"first": 1}), "/count"),
        (json!({"first": 1, "count": 1, "x": 1}), "/x"),
    ];
    for (body, pointer) in cases {
        let path = format!("/api/v1/uploads/{id}/parts");
        let refused = service.by("alice", "POST", &path).json(body).send().await;
        assert_eq!(
            refused.expect_problem(422, "validation-failed").pointers(),
            [pointer]
        );
    }
    let stale = service.sign("alice", id, 1, 1).if_match("\"7\"").send().await;
    stale.expect_problem(412, "precondition-failed");

    sqlx::query("UPDATE command.uploads SET expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(id)
        .execute(&service.pool)
        .await
        .unwrap();
    sign("alice", id).await.expect_problem(409, "upload-time-over");
    service
        .by("alice", "DELETE", &format!("/api/v1/uploads/{id}"))
        .send()
        .await
        .expect(204);
    sign("alice", id)
        .await
        .expect_problem(409, "upload-takes-no-bytes");
    assert!(
        staging.open().await.is_empty(),
        "nothing was begun for what was refused"
    );
}

#[tokio::test]
async fn a_url_for_a_part_ends_with_the_upload() {
    let staging = Staging::new().await;
    let service = staging
        .service(&[SMALL_PARTS[0], SMALL_PARTS[1], ("MULTIPART_TTL_SECONDS", "100")])
        .await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, SIZE).await;
    let signed = service.sign("alice", id, 1, 1).send().await.expect(200).json();
    let url = signed["parts"][0]["url"].as_str().unwrap();
    let (_, rest) = url.split_once("X-Amz-Expires=").unwrap();
    let seconds: u32 = rest.split('&').next().unwrap().parse().unwrap();
    assert!(seconds <= 100, "{url}");
}

#[tokio::test]
async fn many_who_begin_at_once_send_to_one_multipart_upload() {
    let staging = Staging::new().await;
    let service = staging.service(&SMALL_PARTS).await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, SIZE).await;
    let signing = (0..8).map(|_| service.sign("alice", id, 3, 1).send());
    for signed in futures::future::join_all(signing).await {
        assert_eq!(
            put_signed(&signed.expect(200).json()["parts"][0], &vec![7; 1_000]).await,
            200
        );
    }
    assert_eq!(staging.open().await.len(), 1, "the others were aborted");
    assert_eq!(parts_of(&service.arrived("alice", id).await), [(3, 1_000)]);
}

#[tokio::test]
async fn an_upload_that_is_ended_while_its_first_part_is_signed_leaves_nothing_open() {
    let staging = Staging::new().await;
    let service = staging.service(&SMALL_PARTS).await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, SIZE).await;
    let mut ending = service.pool.begin().await.unwrap();
    sqlx::query("UPDATE command.uploads SET status = 'aborted', version = 2 WHERE id = $1")
        .bind(id)
        .execute(&mut *ending)
        .await
        .unwrap();
    let signing = tokio::spawn(service.sign("alice", id, 1, 1).send());
    service.somebody_waits().await;
    assert_eq!(staging.open().await.len(), 1);
    ending.commit().await.unwrap();
    let refused = signing
        .await
        .unwrap()
        .expect_problem(409, "upload-takes-no-bytes");
    assert_eq!(refused.text("upload_status"), "aborted");
    assert!(staging.open().await.is_empty());
}

#[tokio::test]
async fn with_the_store_away_parts_are_answered_503_and_everything_else_goes_on() {
    let away = [
        SMALL_PARTS[0],
        SMALL_PARTS[1],
        ("MINIO_ENDPOINT", "http://127.0.0.1:9"),
    ];
    let service = Service::start_with(&away).await;
    let item = service.item("alice").await;
    let id = service.upload("alice", item, SIZE).await;
    let refused = service
        .sign("alice", id, 1, 1)
        .send()
        .await
        .expect_problem(503, "unavailable");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    assert!(parts_of(&service.arrived("alice", id).await.expect(200)).is_empty());
    sqlx::query("UPDATE command.uploads SET multipart_id = 'x' WHERE id = $1")
        .bind(id)
        .execute(&service.pool)
        .await
        .unwrap();
    service
        .arrived("alice", id)
        .await
        .expect_problem(503, "unavailable");
    service.complete("alice", id).await.expect(202);
}
