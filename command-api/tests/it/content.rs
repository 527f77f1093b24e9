//! Files by way of this API.

use aws_lc_rs::digest;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use crate::{
    client::Request,
    service::{Service, new_key, token},
    staging::Staging,
};

/// More than any other body may have.
fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i % 247) as u8).collect()
}

fn sha256(content: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, content);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Service {
    async fn announce(&self, owner: &str, item: Uuid, content: &[u8]) -> Value {
        let body = json!({
            "item_id": item, "file_name": "a.bin", "content_type": "application/pdf",
            "size_bytes": content.len(), "sha256": sha256(content),
        });
        let request = self
            .by(owner, "POST", "/api/v1/uploads")
            .key(&new_key())
            .json(body);
        request.send().await.expect(201).json()
    }

    fn put_content(&self, owner: &str, id: &Value, content: &[u8]) -> Request {
        self.by(
            owner,
            "PUT",
            &format!("/api/v1/uploads/{}/content", id.as_str().unwrap()),
        )
        .header("Content-Type", "application/pdf")
        .bytes(content)
    }

    async fn status(&self, id: &Value) -> String {
        self.upload_status(id.as_str().unwrap().parse().unwrap()).await.0
    }

    /// A connection on which the head of a PUT was sent and some of its body.
    async fn begin_content(&self, id: &Value, head: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "PUT /api/v1/uploads/{}/content HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nContent-Type: application/pdf\r\n{head}\r\n\r\n",
            id.as_str().unwrap(),
            token("alice", &[depot_service::auth::Role::Writer]),
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }
}

#[tokio::test]
async fn content_sent_through_the_api_lies_in_staging_and_is_received() {
    let staging = Staging::new().await;
    let service = staging.service(&[]).await;
    let item = service.item("alice").await;
    let content = content();
    let id = service.announce("alice", item, &content).await["id"].clone();
    let put = service.put_content("alice", &id, &content).key("k");
    let received = put.clone().send().await.expect(202);
    assert_eq!(
        (received.text("status").as_str(), received.etag()),
        ("received", "\"2\"")
    );
    let lies = staging
        .store
        .open(&staging.bucket, id.as_str().unwrap(), None)
        .await
        .unwrap();
    assert_eq!(lies.size_bytes, 3_000_000);

    assert!(put.send().await.expect(202).is_replayed());
    let again = service
        .put_content("alice", &id, &content)
        .send()
        .await
        .expect(202);
    assert_eq!(again.etag(), "\"2\"");
    let id: Uuid = id.as_str().unwrap().parse().unwrap();
    assert_eq!(service.complete("alice", id).await.expect(202).etag(), "\"2\"");
    assert_eq!(service.kinds(id).await, ["upload.requested", "upload.received"]);
}

#[tokio::test]
async fn content_that_is_not_as_announced_is_refused_and_the_right_one_may_follow() {
    let staging = Staging::new().await;
    let service = staging.service(&[]).await;
    let item = service.item("alice").await;
    let content = content();
    let id = service.announce("alice", item, &content).await["id"].clone();
    let put = |content: &[u8]| service.put_content("alice", &id, content);
    let mut other = content.clone();
    *other.last_mut().unwrap() ^= 1;
    let html = put(&content)
        .without("content-type")
        .header("Content-Type", "text/html");
    let cases = [
        (put(&content[1..]), "size_bytes"),
        (put(&[&content[..], b"x"].concat()), "size_bytes"),
        (put(&[]), "size_bytes"),
        (html, "content_type"),
        (put(&content).without("content-type"), "content_type"),
        (put(&other), "sha256"),
    ];
    for (request, member) in cases {
        let refused = request
            .send()
            .await
            .expect_problem(422, "content-not-as-announced");
        assert_eq!(refused.text("member"), member, "{refused}");
        assert!(!refused.json()["announced"].is_null() && !refused.json()["found"].is_null());
        assert!(staging.keys().await.is_empty(), "{member}");
    }
    let mut chunked = service
        .begin_content(&id, "Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n")
        .await;
    let mut answer = String::new();
    chunked.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 411 ") && answer.contains("content-length-required"),
        "{answer}"
    );
    let stale = put(&content).if_match("\"7\"").send().await;
    stale.expect_problem(412, "precondition-failed");
    assert_eq!(service.status(&id).await, "pending");
    assert!(staging.keys().await.is_empty());
    put(&content).send().await.expect(202);
    assert_eq!(staging.keys().await.len(), 1);
}

#[tokio::test]
async fn content_is_taken_of_the_owner_of_an_upload_that_is_open_and_in_time() {
    let staging = Staging::new().await;
    let service = staging.service(&[]).await;
    let item = service.item("alice").await;
    let id = service.announce("alice", item, b"abc").await["id"].clone();
    service
        .put_content("bob", &id, b"abc")
        .send()
        .await
        .expect_problem(403, "forbidden");
    let nobody = service.put_content("alice", &id, b"abc").without("authorization");
    nobody.send().await.expect_problem(401, "unauthorized");
    let unknown = json!(Uuid::now_v7());
    let unknown = service.put_content("alice", &unknown, b"abc").send().await;
    unknown.expect_problem(404, "upload-not-found");
    sqlx::query("UPDATE command.uploads SET expires_at = now() - interval '1 second'")
        .execute(&service.pool)
        .await
        .unwrap();
    let late = service.put_content("alice", &id, b"abc").send().await;
    late.expect_problem(409, "upload-time-over");
    service
        .by(
            "alice",
            "DELETE",
            &format!("/api/v1/uploads/{}", id.as_str().unwrap()),
        )
        .send()
        .await
        .expect(204);
    let ended = service.put_content("alice", &id, b"abc").send().await;
    assert_eq!(
        ended.expect_problem(409, "upload-ended").text("upload_status"),
        "aborted"
    );
    assert!(staging.keys().await.is_empty());
    let read = service.by(
        "alice",
        "GET",
        &format!("/api/v1/uploads/{}/content", id.as_str().unwrap()),
    );
    read.send().await.expect(307);
}

#[tokio::test]
async fn a_client_that_goes_away_half_way_leaves_nothing_and_may_come_again() {
    let staging = Staging::new().await;
    let service = staging.service(&[("MAX_CONTENT_STREAMS", "1")]).await;
    let item = service.item("alice").await;
    let content = content();
    let id = service.announce("alice", item, &content).await["id"].clone();
    let head = format!("Content-Length: {}", content.len());
    let half = service.begin_content(&id, &head, &content[..2_000_000]).await;

    // As many as are taken at once: the next is told to come again, and nothing else is held up.
    wait_until("the place is taken", || async {
        let refused = service.put_content("alice", &id, &content).send().await;
        if refused.status == 503 {
            assert!(refused.header("retry-after").is_some(), "{refused}");
            return true;
        }
        false
    })
    .await;
    service.item("alice").await;
    drop(half);
    wait_until("the place is free, and the content is taken", || async {
        service.put_content("alice", &id, &content).send().await.status == 202
    })
    .await;
    assert_eq!(staging.keys().await, [id.as_str().unwrap()]);
}

#[tokio::test]
async fn nothing_is_seen_of_half_a_file() {
    let staging = Staging::new().await;
    let service = staging.service(&[]).await;
    let item = service.item("alice").await;
    let content = content();
    let id = service.announce("alice", item, &content).await["id"].clone();
    let head = format!("Content-Length: {}", content.len());
    for end in [1_000_000, content.len() - 1] {
        let mut half = service.begin_content(&id, &head, &content[..end]).await;
        // Says that nothing more comes, and waits for the answer: then it is known that the service is done with it.
        half.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _reset = half.read_to_end(&mut answer).await;
        assert!(staging.keys().await.is_empty());
        assert_eq!(service.status(&id).await, "pending");
    }
}

#[tokio::test]
async fn content_may_take_longer_than_a_request() {
    let staging = Staging::new().await;
    let service = staging.service(&[("REQUEST_TIMEOUT_MS", "2000")]).await;
    let item = service.item("alice").await;
    let content = content();
    let id = service.announce("alice", item, &content).await["id"].clone();
    let head = format!("Content-Length: {}", content.len());
    let mut stream = service.begin_content(&id, &head, &content[..1_000_000]).await;
    service.a_request_runs_out_of_time().await;
    stream.write_all(&content[1_000_000..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

#[tokio::test]
async fn a_file_that_was_announced_in_parts_may_be_sent_whole_through_the_api() {
    let staging = Staging::new().await;
    let service = staging.service(&[("MULTIPART_OVER_BYTES", "1000")]).await;
    let item = service.item("alice").await;
    let content = content();
    let announced = service.announce("alice", item, &content).await;
    assert_eq!(announced["method"], "multipart");
    service
        .put_content("alice", &announced["id"], &content)
        .send()
        .await
        .expect(202);
    assert_eq!(staging.keys().await, [announced["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn with_the_store_away_content_is_answered_503_and_the_upload_stays_open() {
    let service = Service::start_with(&[("MINIO_ENDPOINT", "http://127.0.0.1:9")]).await;
    let item = service.item("alice").await;
    let content = content();
    let id = service.announce("alice", item, &content).await["id"].clone();
    let refused = service.put_content("alice", &id, &content).send().await;
    refused.expect_problem(503, "unavailable");
    assert_eq!(service.status(&id).await, "pending");
}
