//! Who may sweep, what a second look is for, and that one process sweeps at a time. What each kind of damage looks like
//! between the real services is in the tests that span them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use command_api::{
    staging::Staging,
    sweep::{Mender, ScheduleOutcome, SweepOptions, SweepSchedule, Sweeper, UploaderAdmin, step},
};
use depot_schemas::sweep::{FindingKind, ReceiptPage, ReceiptRow, SweepReport};
use depot_service::{
    auth::{Role, TokenVerifier},
    config::{JwtConfig, S3Config},
};
use depot_test_stack::{settings, unique_name};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    admin::audit,
    service::{SECRET, Service, minter},
};

/// An uploader whose receipts a test decides, and may change after each question.
#[derive(Clone, Default)]
struct Receipts {
    rows: Arc<Mutex<BTreeMap<Uuid, ReceiptRow>>>,
    /// Put in after the first question.
    later: Arc<Mutex<Vec<ReceiptRow>>>,
    questions: Arc<Mutex<usize>>,
}

#[derive(Deserialize)]
struct Asked {
    after: Uuid,
    until: Option<Uuid>,
}

const PAGE: usize = 700;

async fn answer(
    State(receipts): State<Receipts>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Json<ReceiptPage>, StatusCode> {
    let verifier = TokenVerifier::new(&JwtConfig::for_secret(SECRET));
    let caller = verifier
        .authenticate_headers(&headers)
        .await
        .map_err(|_| StatusCode::UNAUTHORIZED)?;
    if !caller.has(Role::Admin) {
        return Err(StatusCode::FORBIDDEN);
    }
    let mut rows = receipts.rows.lock().unwrap();
    let within = rows
        .values()
        .filter(|row| row.upload_id > asked.after && asked.until.is_none_or(|until| row.upload_id <= until));
    let page: Vec<_> = within.take(PAGE).cloned().collect();
    for row in receipts.later.lock().unwrap().drain(..) {
        rows.insert(row.upload_id, row);
    }
    *receipts.questions.lock().unwrap() += 1;
    let is_full = page.len() == PAGE;
    let next = page.last().filter(|_| is_full).map(|row| row.upload_id);
    Ok(Json(ReceiptPage { receipts: page, next }))
}

impl Receipts {
    fn put(&self, row: ReceiptRow) {
        self.rows.lock().unwrap().insert(row.upload_id, row);
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/admin/receipts", get(answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }
}

fn receipt(upload: Uuid, outcome: &str, key: Option<&str>) -> ReceiptRow {
    ReceiptRow {
        upload_id: upload,
        outcome: outcome.to_owned(),
        object_key: key.map(str::to_owned),
        size_bytes: None,
        version: 1,
        unchanged_seconds: 10,
    }
}

/// A sweeper beside the service, on a bucket of its own.
async fn sweeper(service: &Service, uploader: &str) -> Sweeper {
    let s3 = S3Config {
        endpoint: settings().get("MINIO_ENDPOINT").to_owned(),
        public_endpoint: settings().get("MINIO_ENDPOINT").to_owned(),
        access_key: settings().get("STACK_MINIO_ACCESS_KEY").to_owned(),
        secret_key: settings().get("STACK_MINIO_SECRET_KEY").into(),
        bucket: "not used".to_owned(),
        staging_bucket: format!("staging-{}", unique_name()),
        region: "us-east-1".to_owned(),
        authorities: None,
    };
    let admin = depot_object_store::ObjectStore::new(&depot_object_store::Identity {
        endpoint: s3.endpoint.clone(),
        public_endpoint: s3.public_endpoint.clone(),
        region: s3.region.clone(),
        access_key: s3.access_key.clone(),
        secret_key: s3.secret_key.clone(),
    });
    admin.ensure_bucket(&s3.staging_bucket).await.unwrap();
    Sweeper {
        mender: Mender {
            writer: service.writer.clone(),
            upload_grace: Duration::from_secs(60),
        },
        uploader: UploaderAdmin::new(uploader, minter()).unwrap(),
        staging: Staging::new(&s3).unwrap(),
        grace: Duration::from_secs(7_200),
    }
}

async fn swept(sweeper: &Sweeper, dry_run: bool) -> SweepReport {
    let options = SweepOptions {
        dry_run,
        grace: Some(Duration::ZERO),
        forget_unknown: false,
        actor: "root".to_owned(),
    };
    sweeper.sweep(&options).await.unwrap()
}

fn found(report: &SweepReport) -> Vec<(FindingKind, String)> {
    let findings = report.findings.iter();
    findings
        .map(|finding| (finding.kind, finding.subject.clone()))
        .collect()
}

/// A stored upload of alice's, by the saga's own handler.
async fn stored(service: &Service, item: Uuid, key: &str) -> Uuid {
    use command_api::saga::file_stored;
    use depot_domain::{CommandId, UploadId};
    let id = service.upload("alice", item, 10).await;
    service.complete("alice", id).await.expect(202);
    file_stored(&service.writer, UploadId(id), key, None, CommandId::generate())
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn only_an_admin_may_sweep_and_bad_input_is_named() {
    let service = Service::start().await;
    let path = "/api/v1/admin/sweep?dry_run=true";
    service
        .bare("POST", path)
        .send()
        .await
        .expect_problem(401, "unauthorized");
    service
        .by("alice", "POST", path)
        .send()
        .await
        .expect_problem(403, "forbidden");
    for path in [
        "/api/v1/admin/sweep",
        "/api/v1/admin/sweep?dry_run=perhaps",
        "/api/v1/admin/sweep?dry_run=true&grace_seconds=-1",
        "/api/v1/admin/sweep?dry_run=true&grace_seconds=604801",
        "/api/v1/admin/sweep?dry_run=true&forget_unknown=2",
        "/api/v1/admin/sweep?dry_run=true&other=1",
    ] {
        service
            .by_admin("POST", path)
            .send()
            .await
            .expect_problem(400, "invalid-parameter");
    }
    service.by_admin("GET", path).send().await.expect(405);
    assert_eq!(audit(&service).await, [], "nothing was begun");
}

#[tokio::test]
async fn an_uploader_that_is_away_is_said_to_be() {
    let service = Service::start_with(&[("UPLOADER_ADMIN_URL", "http://127.0.0.1:1")]).await;
    let path = "/api/v1/admin/sweep?dry_run=false";
    let answer = service.by_admin("POST", path).send().await;
    let problem = answer.expect_problem(503, "unavailable");
    assert!(problem.text("detail").contains("uploader"), "{problem:?}");
    let run = ("root".to_owned(), "sweep.run".to_owned(), "everything".to_owned());
    assert_eq!(audit(&service).await, [run]);
}

/// The fact is heard of between the two looks.
#[tokio::test]
async fn what_stands_on_the_first_look_only_is_no_finding() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let id = stored(&service, item, "a/b").await;
    let receipts = Receipts::default();
    let sweeper = sweeper(&service, &receipts.serve().await).await;
    receipts
        .later
        .lock()
        .unwrap()
        .push(receipt(id, "stored", Some("a/b")));
    assert_eq!(found(&swept(&sweeper, false).await), []);
    assert_eq!(*receipts.questions.lock().unwrap(), 2, "it was looked at twice");
    // The same suspicion on other grounds is another one.
    receipts.put(receipt(id, "removed", None));
    let newer = ReceiptRow {
        version: 2,
        ..receipt(id, "cancelled", None)
    };
    receipts.later.lock().unwrap().push(newer);
    assert_eq!(found(&swept(&sweeper, false).await), []);
    assert_eq!(
        found(&swept(&sweeper, false).await),
        [(FindingKind::FileLost, id.to_string())],
        "what stays is one"
    );
}

#[tokio::test]
async fn every_page_of_either_side_is_compared() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    let first = stored(&service, item, "a/b").await;
    // 1,700 ended uploads, and 1,500 receipts of no upload between them.
    sqlx::query(
        "INSERT INTO command.uploads (id, item_id, owner, file_name, content_type, size_bytes, sha256, status, version,
                                      created_at, updated_at, expires_at)
         SELECT gen_random_uuid(), $1, 'alice', 'f', 'text/plain', 1, repeat('ab', 32), 'expired', 2, now(), now(), now()
         FROM generate_series(1, 1700)",
    )
    .bind(item)
    .execute(&service.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO command.sagas (saga, saga_id, state, step)
         SELECT 'upload', id, 'compensated', 'expired' FROM command.uploads WHERE status = 'expired'",
    )
    .execute(&service.pool)
    .await
    .unwrap();
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM command.uploads WHERE status = 'expired' ORDER BY id")
            .fetch_all(&service.pool)
            .await
            .unwrap();
    let receipts = Receipts::default();
    receipts.put(receipt(first, "stored", Some("a/b")));
    let mut expected = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        match n % 100 {
            0 => expected.push((FindingKind::EndNotHeard, id.to_string())),
            1 => {
                receipts.put(receipt(*id, "stored", Some("c/d")));
                expected.push((FindingKind::FileOfEndedUpload, id.to_string()));
            }
            _ => receipts.put(receipt(*id, "cancelled", None)),
        }
    }
    let uuid_of_none: Vec<Uuid> =
        sqlx::query_scalar("SELECT gen_random_uuid() FROM generate_series(1, 1500)")
            .fetch_all(&service.pool)
            .await
            .unwrap();
    for (n, id) in uuid_of_none.iter().enumerate() {
        let is_kept = n % 100 == 0;
        receipts.put(receipt(
            *id,
            if is_kept { "stored" } else { "removed" },
            is_kept.then_some("e/f"),
        ));
        if is_kept {
            expected.push((FindingKind::UnknownReceipt, id.to_string()));
        }
    }
    let sweeper = sweeper(&service, &receipts.serve().await).await;
    let mut seen = found(&swept(&sweeper, true).await);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    let mended = swept(&sweeper, false).await;
    assert_eq!((mended.found, mended.mended, mended.left), (49, 34, 15));
    let again = found(&swept(&sweeper, false).await);
    assert!(
        again.iter().all(|(kind, _)| *kind == FindingKind::UnknownReceipt),
        "{again:?}"
    );
    assert_eq!(again.len(), 15);
}

/// A row that cannot be mended keeps no other from it, and says why.
#[tokio::test]
async fn what_cannot_be_mended_keeps_nothing_else_from_it() {
    let service = Service::start().await;
    let (odd, well) = (service.item("alice").await, service.item("bob").await);
    service.upload("alice", odd, 10).await;
    let upload = service.upload("bob", well, 10).await;
    for statement in [
        "UPDATE command.items SET deleted = true",
        "DELETE FROM command.storage_accounts WHERE owner = 'alice'",
    ] {
        sqlx::query(statement).execute(&service.pool).await.unwrap();
    }
    let sweeper = sweeper(&service, &Receipts::default().serve().await).await;
    let report = swept(&sweeper, false).await;
    assert_eq!((report.found, report.mended), (2, 1), "{report:?}");
    for finding in &report.findings {
        assert_eq!(finding.kind, FindingKind::DeletionIncomplete);
        assert_eq!(finding.mended, finding.subject == well.to_string());
        assert_eq!(
            finding.detail.contains("storage_accounts"),
            !finding.mended,
            "says why: {finding:?}"
        );
    }
    assert_eq!(service.upload_status(upload).await.0, "aborted");
}

#[tokio::test]
async fn a_recount_waits_for_whoever_has_the_account() {
    let service = Service::start().await;
    let item = service.item("alice").await;
    service.upload("alice", item, 10).await;
    sqlx::query("UPDATE command.storage_accounts SET reserved_bytes = 99 WHERE owner = 'alice'")
        .execute(&service.pool)
        .await
        .unwrap();
    let sweeper = sweeper(&service, &Receipts::default().serve().await).await;
    // A request for an upload that has the account, and is not committed.
    let mut open = service.pool.begin().await.unwrap();
    for statement in [
        "SELECT 1 FROM command.storage_accounts WHERE owner = 'alice' FOR UPDATE",
        "UPDATE command.storage_accounts SET reserved_bytes = reserved_bytes + 5 WHERE owner = 'alice'",
        "INSERT INTO command.uploads SELECT gen_random_uuid(), item_id, owner, file_name, content_type, 5, sha256, status,
             reason, object_key, version, created_at, updated_at, expires_at FROM command.uploads LIMIT 1",
        "INSERT INTO command.sagas SELECT 'upload', id, 'running', 'awaiting_bytes', now() + interval '1 hour'
         FROM command.uploads WHERE size_bytes = 5",
    ] {
        sqlx::query(statement).execute(&mut *open).await.unwrap();
    }
    let sweep = swept(&sweeper, false);
    let commit = async {
        service.somebody_waits().await;
        open.commit().await.unwrap();
    };
    let (report, ()) = tokio::join!(sweep, commit);
    assert_eq!(found(&report), [(FindingKind::QuotaWrong, "alice".to_owned())]);
    assert_eq!(
        service.quota("alice").await,
        (0, 15),
        "with what was reserved meanwhile"
    );
}

#[tokio::test]
async fn one_process_sweeps_at_a_time_and_once_an_interval() {
    let service = Service::start().await;
    let sweeper = sweeper(&service, &Receipts::default().serve().await).await;
    let hourly = SweepSchedule {
        interval: Duration::from_secs(3_600),
    };
    let (a, b, c) = tokio::join!(
        step(&sweeper, hourly),
        step(&sweeper, hourly),
        step(&sweeper, hourly)
    );
    let outcomes = [a.unwrap(), b.unwrap(), c.unwrap()];
    let swept = |outcome: &&ScheduleOutcome| matches!(outcome, ScheduleOutcome::Swept(_));
    assert_eq!(outcomes.iter().filter(swept).count(), 1, "{outcomes:?}");
    assert!(matches!(
        step(&sweeper, hourly).await.unwrap(),
        ScheduleOutcome::NotDue
    ));
    let at_once = SweepSchedule {
        interval: Duration::ZERO,
    };
    assert!(matches!(
        step(&sweeper, at_once).await.unwrap(),
        ScheduleOutcome::Swept(_)
    ));
    // A process that died has left its lease.
    let lease =
        "UPDATE command.sweep_lease SET holder = gen_random_uuid(), expires_at = now() + $1::interval";
    for (left, is_due) in [("30 seconds", false), ("-1 second", true)] {
        let set = sqlx::query(lease).bind(sqlx::postgres::types::PgInterval {
            months: 0,
            days: 0,
            microseconds: if left.starts_with('-') {
                -1_000_000
            } else {
                30_000_000
            },
        });
        set.execute(&service.pool).await.unwrap();
        let outcome = step(&sweeper, at_once).await.unwrap();
        assert_eq!(matches!(outcome, ScheduleOutcome::Swept(_)), is_due, "{left}");
    }
}
