//! Uploads that go wrong in every way: a clear answer or a rejection with its reason, and nothing is left behind.

use std::time::Duration;

use depot_end_to_end::{Client, Depot, read_topic, sha256_hex};
use depot_schemas::{Entity, EventType, header};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::verify;

const PART: usize = 5 * 1024 * 1024;

/// Small parts, and a sweep that does not wait for long.
const SETTINGS: [(&str, &str); 4] = [
    ("MULTIPART_OVER_BYTES", "1000000"),
    ("MULTIPART_PART_BYTES", "5242880"),
    ("SWEEP_INTERVAL_SECONDS", "1"),
    ("SWEEP_GRACE_SECONDS", "2"),
];

/// A Depot, and an item of alice's.
struct Scene {
    depot: Depot,
    alice: Client,
    item: String,
}

impl Scene {
    async fn set(more: &[(&str, &str)]) -> Self {
        let depot = Depot::start_with(&[&SETTINGS[..], more].concat()).await.unwrap();
        let alice = depot.client("alice", Role::Writer);
        let item = alice
            .create_item("k", &json!({"name": "a"}))
            .await
            .unwrap()
            .text("id");
        Self { depot, alice, item }
    }

    async fn announce(&self, content: &[u8]) -> Value {
        let announced = self
            .alice
            .request_upload(&self.item, "a.bin", content.len(), &sha256_hex(content))
            .await;
        announced.unwrap().json()
    }

    /// Says that the bytes are there, and waits for what comes of it: status and reason.
    async fn outcome(&self, upload: &Value) -> (String, String) {
        let id = id(upload);
        let completed = self.alice.complete_upload(id).await.unwrap();
        assert!(completed.status.is_success(), "{completed:?}");
        let ended = self
            .alice
            .read_at_least(&format!("/api/v1/uploads/{id}"), "3")
            .await;
        let ended = ended.unwrap();
        (ended.text("status"), ended.text("reason"))
    }

    async fn staged(&self) -> usize {
        let backing = &self.depot.backing;
        backing
            .store
            .list(&backing.staging, None)
            .await
            .unwrap()
            .objects
            .len()
    }

    async fn open_multiparts(&self) -> usize {
        let backing = &self.depot.backing;
        backing
            .store
            .open_multiparts(&backing.staging, None)
            .await
            .unwrap()
            .open
            .len()
    }

    /// Quota is what is stored, staging is empty, and as many objects are kept as there are contents.
    async fn nothing_is_left_but(&self, stored: &[&[u8]]) {
        verify::quiet(&self.depot).await;
        wait_until("staging is empty", || async {
            self.staged().await == 0 && self.open_multiparts().await == 0
        })
        .await;
        let account = self
            .alice
            .send(self.alice.command(reqwest::Method::GET, "/api/v1/accounts/alice"))
            .await
            .unwrap()
            .json();
        let sum: usize = stored.iter().map(|content| content.len()).sum();
        assert_eq!(
            (&account["used_bytes"], &account["reserved_bytes"]),
            (&json!(sum), &json!(0))
        );
        let backing = &self.depot.backing;
        let files = backing.store.list(&backing.files, None).await.unwrap().objects;
        assert_eq!(files.len(), stored.len(), "{files:?}");
        assert!(
            backing
                .store
                .open_multiparts(&backing.files, None)
                .await
                .unwrap()
                .open
                .is_empty()
        );
    }

    /// How often an event of an upload was written.
    async fn told(&self, upload: &Value, event_type: EventType) -> usize {
        let records = read_topic(&self.depot.topics().events(Entity::Uploads))
            .await
            .unwrap();
        let told = records.iter().filter(|record| {
            record.header(header::SUBJECT) == id(upload) && record.header(header::TYPE) == event_type.name()
        });
        told.count()
    }
}

fn id(upload: &Value) -> &str {
    upload["id"].as_str().unwrap()
}

/// The announced upload with one of its signed headers replaced.
fn with_header(upload: &Value, name: &str, value: &str) -> Value {
    let mut other = upload.clone();
    let headers = other["headers"].as_object_mut().unwrap();
    let header = headers
        .iter_mut()
        .find(|(have, _)| have.eq_ignore_ascii_case(name));
    *header.unwrap().1 = json!(value);
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_put_is_for_the_announced_bytes_and_for_one_time() {
    let scene = Scene::set(&[]).await;
    let put = async |upload: &Value, content: &[u8]| {
        scene
            .alice
            .put_presigned(upload, content.to_vec())
            .await
            .unwrap()
            .status
            .as_u16()
    };
    let refused = |status: u16| (400..500).contains(&status);

    let never_right = scene.announce(b"abc").await;
    assert!(refused(put(&never_right, b"abcd").await), "another size");
    assert!(refused(put(&never_right, b"abd").await), "another content");
    let other_type = with_header(&never_right, "content-type", "text/html");
    assert!(refused(put(&other_type, b"abc").await), "another type");
    let other_checksum = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1=";
    let other_checksum = with_header(&never_right, "x-amz-checksum-sha256", other_checksum);
    assert!(refused(put(&other_checksum, b"abc").await), "another checksum");
    assert_eq!(scene.staged().await, 0);
    // Said to be complete before the bytes are there; those that come after it go again.
    assert_eq!(
        scene.outcome(&never_right).await,
        ("rejected".into(), "content_missing".into())
    );
    assert_eq!(
        put(&never_right, b"abc").await,
        200,
        "too late, and its URL still holds"
    );
    let again = scene.alice.complete_upload(id(&never_right)).await.unwrap();
    assert_eq!(
        (again.status.as_u16(), again.text("type")),
        (409, "/problems/upload-ended".into())
    );

    let twice = scene.announce(b"twice").await;
    assert_eq!(put(&twice, b"twice").await, 200);
    assert_eq!(put(&twice, b"twice").await, 412, "it does not overwrite");
    let bob = scene.depot.client("bob", Role::Writer);
    let not_his = bob.complete_upload(id(&twice)).await.unwrap();
    assert_eq!(
        (not_his.status.as_u16(), not_his.text("type")),
        (403, "/problems/forbidden".into())
    );
    let (first, second) = futures::join!(
        scene.alice.complete_upload(id(&twice)),
        scene.alice.complete_upload(id(&twice))
    );
    assert!(first.unwrap().status.is_success() && second.unwrap().status.is_success());
    assert_eq!(scene.outcome(&twice).await.0, "stored");
    assert_eq!(scene.told(&twice, EventType::UploadReceived).await, 1);
    assert_eq!(
        put(&twice, b"twice").await,
        200,
        "a late repeat lands, and goes with the sweep"
    );
    scene.nothing_is_left_but(&[b"twice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_put_ends_with_its_time() {
    let scene = Scene::set(&[("UPLOAD_URL_TTL_SECONDS", "1"), ("UPLOAD_GRACE_SECONDS", "600")]).await;
    let upload = scene.announce(b"abc").await;
    let ends = OffsetDateTime::parse(upload["expires_at"].as_str().unwrap(), &Rfc3339).unwrap();
    // The signature's time has whole seconds.
    let ends = ends + Duration::from_secs(2);
    wait_until("the URL has ended", || async { OffsetDateTime::now_utc() > ends }).await;
    let late = scene.alice.put_presigned(&upload, b"abc".to_vec()).await.unwrap();
    assert_eq!(late.status, 403, "{late:?}");
    let content = scene
        .alice
        .put_content(id(&upload), 3, "abc".into())
        .await
        .unwrap();
    assert_eq!(
        (content.status.as_u16(), content.text("type")),
        (409, "/problems/upload-time-over".into())
    );
    assert_eq!(
        scene.outcome(&upload).await,
        ("rejected".into(), "content_missing".into())
    );
    scene.nothing_is_left_but(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_may_come_in_any_order_and_what_is_missing_or_too_small_is_rejected() {
    let scene = Scene::set(&[]).await;
    let content: Vec<u8> = (0..2 * PART + 10).map(|i| (i % 241) as u8).collect();
    let put = async |upload: &Value, number: usize, content: &[u8]| {
        let signed = scene
            .alice
            .sign_parts(id(upload), number as i64, 1)
            .await
            .unwrap()
            .json();
        let put = scene
            .alice
            .put_presigned(&signed["parts"][0], content.to_vec())
            .await;
        put.unwrap().status.as_u16()
    };
    let piece = |number: usize| content.chunks(PART).nth(number - 1).unwrap();

    let backwards = scene.announce(&content).await;
    for number in [3, 2, 1] {
        assert_eq!(put(&backwards, number, piece(number)).await, 200);
    }
    assert_eq!(scene.outcome(&backwards).await.0, "stored");

    let missing = scene.announce(&content).await;
    assert_eq!(put(&missing, 1, piece(1)).await, 200);
    assert_eq!(put(&missing, 3, piece(3)).await, 200);
    assert_eq!(
        scene.outcome(&missing).await,
        ("rejected".into(), "parts_missing".into())
    );

    // The size is signed: a part that is too small does not arrive.
    let too_small = scene.announce(&content).await;
    let refused = put(&too_small, 1, b"too small").await;
    assert!((400..500).contains(&refused), "{refused}");
    assert_eq!(put(&too_small, 2, piece(2)).await, 200);
    assert_eq!(put(&too_small, 3, piece(3)).await, 200);
    assert_eq!(
        scene.outcome(&too_small).await,
        ("rejected".into(), "parts_missing".into())
    );

    let swapped = scene.announce(&content).await;
    for (number, other) in [(1, 2), (2, 1), (3, 3)] {
        assert_eq!(put(&swapped, number, piece(other)).await, 200);
    }
    assert_eq!(
        scene.outcome(&swapped).await,
        ("rejected".into(), "checksum_mismatch".into())
    );

    let none = scene.announce(&content).await;
    assert_eq!(
        scene.outcome(&none).await,
        ("rejected".into(), "content_missing".into())
    );

    let aborted = scene.announce(&content).await;
    assert_eq!(put(&aborted, 1, piece(1)).await, 200);
    assert_eq!(scene.alice.abort_upload(id(&aborted)).await.unwrap().status, 204);
    let late = scene.alice.sign_parts(id(&aborted), 2, 1).await.unwrap();
    assert_eq!(
        (late.status.as_u16(), late.text("type")),
        (409, "/problems/upload-takes-no-bytes".into())
    );
    scene.nothing_is_left_but(&[&content]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_upload_that_expires_or_whose_item_goes_are_dropped() {
    let scene = Scene::set(&[("MULTIPART_TTL_SECONDS", "8"), ("UPLOAD_GRACE_SECONDS", "1")]).await;
    let content = vec![7; PART + 10];
    let send_one = async |upload: &Value| {
        let signed = scene.alice.sign_parts(id(upload), 2, 1).await.unwrap().json();
        scene
            .alice
            .put_presigned(&signed["parts"][0], vec![7; 10])
            .await
            .unwrap();
    };
    let expiring = scene.announce(&content).await;
    send_one(&expiring).await;
    wait_until("it expires", || async {
        let read = scene
            .alice
            .read_at_least(&format!("/api/v1/uploads/{}", id(&expiring)), "2")
            .await;
        read.unwrap().text("status") == "expired"
    })
    .await;
    let with_item = scene.announce(&content).await;
    send_one(&with_item).await;
    let deleted = scene.alice.delete_item(&scene.item, "1").await.unwrap();
    assert_eq!(deleted.status, 204);
    scene.nothing_is_left_but(&[]).await;
}
