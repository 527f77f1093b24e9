//! Damage between the services, planted by hand: a dry run sees it and changes nothing, a sweep mends it or says what
//! to do, and then everything adds up again.

use std::collections::BTreeSet;

use depot_end_to_end::{Client, Depot, Service};
use depot_schemas::sweep::{FindingKind as Kind, SweepReport};
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use serde_json::json;
use uuid::Uuid;

use crate::{
    sweep_tool::{dry, sweep},
    verify,
};

/// A Depot with uploads of every outcome, and nothing under way.
struct Scene {
    depot: Depot,
    alice: Client,
    item: String,
    /// Two of the same content, and one of its own.
    shared: [String; 2],
    stored: String,
    aborted: String,
}

impl Scene {
    async fn set() -> Self {
        let depot = Depot::start_with(&[("SAGA_SWEEP_ENABLED", "false")])
            .await
            .unwrap();
        let alice = depot.client("alice", Role::Writer);
        let item = new_item(&alice, "k").await;
        let gone = new_item(&alice, "gone").await;
        let upload =
            async |item: &str, content: &str| alice.upload(item, "a.bin", content.into()).await.unwrap();
        let shared = [upload(&item, "shared").await, upload(&item, "shared").await];
        let stored = upload(&item, "stored").await;
        upload(&gone, "gone").await;
        let announce = async || {
            let announced = alice.request_upload(&item, "b.bin", 5, &"ab".repeat(32)).await;
            announced.unwrap().text("id")
        };
        let rejected = announce().await;
        alice.complete_upload(&rejected).await.unwrap();
        let aborted = announce().await;
        alice.abort_upload(&aborted).await.unwrap();
        verify::quiet(&depot).await;
        let delete = alice.command(reqwest::Method::DELETE, &format!("/api/v1/items/{gone}"));
        alice.send(delete.header("If-Match", "*")).await.unwrap();
        let scene = Self {
            depot,
            alice,
            item,
            shared,
            stored,
            aborted,
        };
        scene.adds_up("at the beginning").await;
        scene
    }

    /// A sweep finds nothing of what is on its way either, so it is asked when nothing is.
    async fn adds_up(&self, when: &str) {
        wait_until(&format!("no saga is under way {when}"), || async {
            let running = "SELECT count(*) FROM command.sagas WHERE state = 'running'";
            let running: i64 = sqlx::query_scalar(running)
                .fetch_one(&self.depot.database)
                .await
                .unwrap();
            running == 0
        })
        .await;
        verify::quiet(&self.depot).await;
        wait_until(&format!("everything adds up {when}"), || async {
            dry(&self.depot).await.found == 0
        })
        .await;
    }

    /// Runs statements, of which each is given the id.
    async fn plant(&self, id: &str, statements: &[&'static str]) {
        for statement in statements {
            let planted = sqlx::query(*statement)
                .bind(id.parse::<Uuid>().unwrap())
                .execute(&self.depot.database)
                .await
                .unwrap();
            assert_eq!(planted.rows_affected(), 1, "{statement}");
        }
    }

    async fn everything(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT u::text FROM command.uploads u UNION ALL SELECT s::text FROM command.sagas s
             UNION ALL SELECT i::text FROM command.items i UNION ALL SELECT a::text FROM command.storage_accounts a
             UNION ALL SELECT r::text FROM uploader.receipts r UNION ALL SELECT o::text FROM uploader.objects o
             ORDER BY 1",
        )
        .fetch_all(&self.depot.database)
        .await
        .unwrap()
    }

    /// What was planted is seen by a dry run, alone, and nothing is changed.
    async fn is_seen(&self, kind: Kind, subject: &str) {
        let before = self.everything().await;
        is_only(&dry(&self.depot).await, kind, subject, false);
        assert_eq!(
            self.everything().await,
            before,
            "a dry run of {kind} changes nothing"
        );
    }

    async fn is_mended(&self, kind: Kind, subject: &str) {
        self.is_seen(kind, subject).await;
        is_only(&sweep(&self.depot, &["--grace", "0"]).await, kind, subject, true);
        self.adds_up(&format!("after {kind} was mended")).await;
        let noted: Option<String> = sqlx::query_scalar(
            "SELECT detail->>'kind' FROM command.audit WHERE action = 'sweep.mend' AND actor = 'root' AND subject = $1
             ORDER BY id DESC",
        )
        .bind(subject)
        .fetch_optional(&self.depot.database)
        .await
        .unwrap();
        assert_eq!(noted.as_deref(), Some(kind.as_str()), "{kind} is in the audit");
        println!("{kind}: found, mended, and adds up");
    }

    async fn is_left(&self, kind: Kind, subject: &str) {
        self.is_seen(kind, subject).await;
        let before = self.everything().await;
        is_only(&sweep(&self.depot, &["--grace", "0"]).await, kind, subject, false);
        assert_eq!(self.everything().await, before, "{kind} is left as it is");
        println!("{kind}: found, and left to a person");
    }

    async fn status(&self, upload: &str) -> String {
        sqlx::query_scalar("SELECT status FROM command.uploads WHERE id = $1::uuid")
            .bind(upload)
            .fetch_one(&self.depot.database)
            .await
            .unwrap()
    }

    async fn keys(&self) -> BTreeSet<String> {
        let backing = &self.depot.backing;
        let page = backing.store.list(&backing.files, None).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }
}

async fn new_item(client: &Client, key: &str) -> String {
    let created = client.create_item(key, &json!({"name": "a"})).await.unwrap();
    created.text("id")
}

fn is_only(report: &SweepReport, kind: Kind, subject: &str, mended: bool) {
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.subject.as_str(), finding.mended))
        .collect();
    assert_eq!(found, [(kind, subject, mended)], "{report:?}");
    assert!(!report.findings[0].detail.is_empty());
}

const PLACE_AT_BYTES: &str = "UPDATE command.sagas SET state = 'running', step = 'awaiting_bytes', deadline = now() + interval '1 hour'
     WHERE saga = 'upload' AND saga_id = $1";
const RECEIVED: [&str; 4] = [
    "UPDATE command.items i SET files = (SELECT coalesce(jsonb_agg(f), '[]') FROM jsonb_array_elements(i.files) f
                                         WHERE f->>'upload_id' <> $1::text)
     FROM command.uploads u WHERE u.id = $1 AND i.id = u.item_id",
    "UPDATE command.storage_accounts a SET used_bytes = used_bytes - size_bytes, reserved_bytes = reserved_bytes + size_bytes
     FROM command.uploads u WHERE u.id = $1 AND a.owner = u.owner",
    "UPDATE command.uploads SET status = 'received', object_key = NULL WHERE id = $1",
    "UPDATE command.sagas SET state = 'running', step = 'awaiting_file', deadline = now() + interval '1 hour'
     WHERE saga = 'upload' AND saga_id = $1",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_damage_between_the_services_is_found_and_mended() {
    let scene = Scene::set().await;
    let (stored, owner) = (scene.stored.as_str(), "alice");

    scene
        .plant(
            stored,
            &["DELETE FROM command.sagas WHERE saga = 'upload' AND saga_id = $1"],
        )
        .await;
    scene.is_mended(Kind::UploadWithoutSaga, stored).await;

    scene.plant(stored, &[PLACE_AT_BYTES]).await;
    scene.is_mended(Kind::SagaContradictsUpload, stored).await;

    let nobody = Uuid::now_v7().to_string();
    let saga = "INSERT INTO command.sagas (saga, saga_id, state, step, deadline)
                VALUES ('upload', $1, 'running', 'awaiting_bytes', now() + interval '1 hour')";
    scene.plant(&nobody, &[saga]).await;
    scene.is_mended(Kind::SagaWithoutUpload, &nobody).await;

    let wrong = "UPDATE command.storage_accounts a SET used_bytes = used_bytes + 5, reserved_bytes = 7
                 FROM command.uploads u WHERE u.id = $1 AND a.owner = u.owner";
    scene.plant(stored, &[wrong]).await;
    scene.is_mended(Kind::QuotaWrong, owner).await;

    scene.plant(stored, &RECEIVED[..1]).await;
    scene.is_mended(Kind::AttachmentMissing, stored).await;

    // The answer was lost: it is asked for again, and the file is attached after all.
    scene.plant(stored, &RECEIVED).await;
    scene.is_mended(Kind::AnswerNotHeard, stored).await;
    assert_eq!(scene.status(stored).await, "stored");

    let receipt = "DELETE FROM uploader.receipts WHERE upload_id = $1";
    scene.plant(&scene.aborted, &[receipt]).await;
    scene.is_mended(Kind::EndNotHeard, &scene.aborted).await;

    // The file of an upload that ended otherwise is kept.
    let ended = [
        RECEIVED[0],
        "UPDATE command.storage_accounts a SET used_bytes = used_bytes - size_bytes
         FROM command.uploads u WHERE u.id = $1 AND a.owner = u.owner",
        "UPDATE command.uploads SET status = 'expired', object_key = NULL WHERE id = $1",
        "UPDATE command.sagas SET state = 'compensated', step = 'expired' WHERE saga = 'upload' AND saga_id = $1",
    ];
    assert_eq!(scene.keys().await.len(), 2);
    scene.plant(stored, &ended).await;
    scene.is_mended(Kind::FileOfEndedUpload, stored).await;
    assert_eq!(scene.keys().await.len(), 1, "its object is gone");

    // An item that was deleted without its saga.
    let deleted = "UPDATE command.items SET deleted = true, version = version + 1 WHERE id = $1";
    scene.plant(&scene.item, &[deleted]).await;
    scene.is_mended(Kind::DeletionIncomplete, &scene.item).await;
    assert_eq!(scene.status(&scene.shared[0]).await, "removed");
    assert!(scene.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_only_a_person_can_mend_is_told_and_left_alone() {
    let scene = Scene::set().await;
    let (stored, shared) = (scene.stored.as_str(), scene.shared[0].as_str());

    // Of a saga that no process runs any more.
    let other = Uuid::now_v7().to_string();
    let saga = "INSERT INTO command.sagas (saga, saga_id, state, step, deadline)
                VALUES ('of_another_version', $1, 'running', 'waiting', now() - interval '1 hour')";
    scene.plant(&other, &[saga]).await;
    scene.is_left(Kind::DeadlineMissed, &other).await;
    scene
        .plant(&other, &["DELETE FROM command.sagas WHERE saga_id = $1"])
        .await;

    let stuck =
        "UPDATE command.sagas SET state = 'stuck', step = 'removing' WHERE saga = 'upload' AND saga_id = $1";
    scene.plant(&scene.aborted, &[stuck]).await;
    scene.is_left(Kind::SagaStuck, &scene.aborted).await;
    let back = "UPDATE command.sagas SET state = 'compensated', step = 'aborted' WHERE saga = 'upload' AND saga_id = $1";
    scene.plant(&scene.aborted, &[back]).await;

    let unfounded = r#"UPDATE command.items SET files = files || '[{"upload_id": "0192f0c1-7a5b-7cc3-98c4-dc0c0c07398f"}]'
                       WHERE id = $1"#;
    scene.plant(&scene.item, &[unfounded]).await;
    scene.is_left(Kind::AttachmentUnfounded, &scene.item).await;
    scene
        .plant(
            &scene.item,
            &["UPDATE command.items SET files = files - -1 WHERE id = $1"],
        )
        .await;

    // The other upload of the same content still refers to the object.
    let lost = "UPDATE uploader.receipts SET outcome = 'removed', object_key = NULL WHERE upload_id = $1";
    scene.plant(shared, &[lost]).await;
    scene.is_left(Kind::FileLost, shared).await;
    let found = "UPDATE uploader.receipts r SET outcome = 'stored', object_key = u.object_key
                 FROM command.uploads u WHERE u.id = r.upload_id AND r.upload_id = $1";
    scene.plant(shared, &[found]).await;
    scene.adds_up("again").await;

    // An upload waits, and the uploader has let go of its file.
    scene.plant(shared, &RECEIVED).await;
    scene.plant(shared, &[lost]).await;
    scene.is_left(Kind::OutcomeContradicted, shared).await;
    scene.alice.abort_upload(shared).await.unwrap();
    scene.adds_up("as the detail said it would").await;

    scene
        .plant(
            stored,
            &[
                "UPDATE uploader.objects o SET state = 'deleted' FROM uploader.receipts r
                           WHERE r.object_key = o.key AND r.upload_id = $1",
            ],
        )
        .await;
    let report = dry(&scene.depot).await;
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(
        kinds,
        [Kind::StrayObject, Kind::ReceiptWithoutObject],
        "the uploader's own: {report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_no_upload_goes_only_when_that_is_asked_for() {
    let scene = Scene::set().await;
    let (depot, backing) = (&scene.depot, &scene.depot.backing);
    let (kept, staged) = (Uuid::now_v7(), Uuid::now_v7());
    let key = format!("aa/{kept}");
    backing
        .store
        .put(&backing.files, &key, b"x".to_vec())
        .await
        .unwrap();
    sqlx::query("INSERT INTO uploader.objects (key, sha256, size_bytes, state) VALUES ($1, 'aa', 1, 'live')")
        .bind(&key)
        .execute(&depot.database)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO uploader.receipts (upload_id, item_id, outcome, object_key, version)
         VALUES ($1, $1, 'stored', $2, 1)",
    )
    .bind(kept)
    .bind(&key)
    .execute(&depot.database)
    .await
    .unwrap();
    scene.is_left(Kind::UnknownReceipt, &kept.to_string()).await;
    let forgotten = sweep(depot, &["--grace", "0", "--forget-unknown"]).await;
    is_only(&forgotten, Kind::UnknownReceipt, &kept.to_string(), true);
    scene.adds_up("after it was forgotten").await;
    assert!(!scene.keys().await.contains(&key));

    let staged = staged.to_string();
    backing
        .store
        .put(&backing.staging, &staged, b"x".to_vec())
        .await
        .unwrap();
    scene.is_left(Kind::UnknownStaged, &staged).await;
    let forgotten = sweep(depot, &["--grace", "0", "--forget-unknown"]).await;
    is_only(&forgotten, Kind::UnknownStaged, &staged, true);
    scene.adds_up("after it was forgotten").await;
}

/// Both schedules run, and nobody calls for a sweep.
#[tokio::test(flavor = "multi_thread")]
async fn damage_is_mended_by_the_schedule_in_one_process_at_a_time() {
    let mut scene = Scene::set().await;
    let settings = [
        ("SAGA_SWEEP_ENABLED", "true"),
        ("SAGA_SWEEP_INTERVAL_SECONDS", "1"),
    ];
    let service = scene.depot.process(Service::CommandApi);
    service.terminate().await.unwrap();
    for (name, value) in settings {
        service.set(name, value);
    }
    service.restart().unwrap();
    scene.depot.wait_ready(Service::CommandApi).await;
    sqlx::query("UPDATE command.storage_accounts SET used_bytes = used_bytes + 5")
        .execute(&scene.depot.database)
        .await
        .unwrap();
    let noted = "SELECT count(*) FROM command.audit WHERE actor = 'sweep' AND action = 'sweep.mend' AND subject = 'alice'";
    wait_until("the schedule has mended it", || async {
        let noted: i64 = sqlx::query_scalar(noted)
            .fetch_one(&scene.depot.database)
            .await
            .unwrap();
        noted == 1
    })
    .await;
    scene.adds_up("without a hand").await;
    let metrics = reqwest::get(scene.depot.admin_url(Service::CommandApi, "/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted = r#"depot_sweep_findings_total{kind="quota_wrong",outcome="mended"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}
