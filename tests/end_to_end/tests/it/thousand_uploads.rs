//! A thousand uploads at once, of which a third come to nothing, with the object store away for ten seconds in the
//! middle: afterwards everything adds up, by the tool that looks for what does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use depot_end_to_end::{Answer, Client, Depot, Service, sha256_hex};
use depot_schemas::sweep::SweepReport;
use depot_service::auth::Role;
use depot_test_stack::{Gate, settings, wait_until};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    sweep_tool::{self, dry, sweep},
    verify,
};

const UPLOADS: usize = 1_000;
const AT_ONCE: usize = 24;
const OWNERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// Uploads of one item, which may have a hundred files.
const PER_ITEM: usize = 50;
const OUTAGE: Duration = Duration::from_secs(10);
/// It ends with the condition, so a fast machine waits for none of it.
const PATIENCE: Duration = Duration::from_secs(600);
/// Files over this are sent in parts, whose time is short here: those are the ones that expire.
const SETTINGS: [(&str, &str); 7] = [
    // Nothing of command-api's is to be mended unseen.
    ("SAGA_SWEEP_ENABLED", "false"),
    ("MULTIPART_OVER_BYTES", "100000"),
    ("MULTIPART_TTL_SECONDS", "5"),
    ("UPLOAD_GRACE_SECONDS", "3"),
    ("SWEEP_INTERVAL_SECONDS", "2"),
    ("SWEEP_GRACE_SECONDS", "5"),
    ("UPLOAD_CONCURRENCY", "8"),
];

/// What is to become of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Stored,
    /// Never sent, or of another type than was announced, and said to be complete.
    Rejected,
    /// Begun, and never completed.
    Expired,
    /// Sent, and given up.
    Aborted,
    /// Its item is deleted while it is sent, or stored.
    Deleted,
}

fn fate(n: usize) -> Fate {
    let unlucky = [Fate::Rejected, Fate::Expired, Fate::Aborted, Fate::Deleted];
    if n.is_multiple_of(3) {
        unlucky[n / 3 % 4]
    } else {
        Fate::Stored
    }
}

/// Of those of one fate, every other one.
fn is_first_half(n: usize) -> bool {
    (n / 12).is_multiple_of(2)
}

/// Every fifth content is one that many uploads have.
fn content(n: usize) -> Vec<u8> {
    let tag = if n % 5 == 1 {
        format!("shared {}", n % 7)
    } else {
        format!("upload {n}")
    };
    tag.into_bytes()
        .into_iter()
        .cycle()
        .take(1_000 + n % 7 * 2_000)
        .collect()
}

/// Repeats a request until its answer is one: the store or a service may be away.
async fn answered<F>(mut send: impl FnMut() -> F) -> Answer
where
    F: Future<Output = anyhow::Result<Answer>>,
{
    loop {
        if let Ok(answer) = send().await
            && !answer.status.is_server_error()
        {
            return answer;
        }
        // Paces the repeats; nothing is decided by it.
        sleep(Duration::from_millis(100)).await;
    }
}

async fn announce(client: &Client, item: &str, n: usize) -> Value {
    let (file, fate) = (content(n), fate(n));
    let (size, sha256) = match fate {
        Fate::Expired => (6_000_000, "ab".repeat(32)),
        _ => (file.len(), sha256_hex(&file)),
    };
    let is_of_another_type = fate == Fate::Rejected && is_first_half(n);
    let body = json!({
        "item_id": item, "file_name": format!("{n}.bin"), "size_bytes": size, "sha256": sha256,
        "content_type": if is_of_another_type { "image/png" } else { "application/octet-stream" },
    });
    let key = Uuid::now_v7().to_string();
    let announced = answered(|| {
        let request = client.command(reqwest::Method::POST, "/api/v1/uploads");
        client.send(request.header("Idempotency-Key", &key).json(&body))
    })
    .await;
    assert_eq!(announced.status, 201, "{announced:?}");
    announced.json()
}

/// An upload as its client sees it, to the end of what the client does.
async fn carry_out(client: &Client, announced: &Value, n: usize) {
    let (id, fate) = (announced["id"].as_str().unwrap(), fate(n));
    match fate {
        Fate::Expired => {
            // Some have begun to take parts in the store.
            if is_first_half(n) {
                let signed = answered(|| client.sign_parts(id, 1, 1)).await;
                assert!([200, 409].contains(&signed.status.as_u16()), "{signed:?}");
            }
            return;
        }
        Fate::Rejected if !is_first_half(n) => {}
        _ => {
            let put = answered(|| client.put_presigned(announced, content(n))).await;
            // A PUT that was cut off may have arrived, and is not repeated over what is there.
            assert!(put.status.is_success() || put.status == 412, "{put:?}");
        }
    }
    if fate == Fate::Aborted {
        let aborted = answered(|| client.abort_upload(id)).await;
        assert_eq!(aborted.status, 204, "{aborted:?}");
        return;
    }
    let completed = answered(|| client.complete_upload(id)).await;
    // The item's deletion may have ended it.
    let has_ended = fate == Fate::Deleted && completed.status == 409;
    assert!(completed.status.is_success() || has_ended, "{completed:?}");
}

/// The uploads of one item; one whose uploads are to be deleted with it is deleted when half of them are sent.
async fn one_item(depot: Arc<Depot>, n: Vec<usize>, done: Arc<AtomicUsize>) {
    let owner = OWNERS[n[0] / PER_ITEM % OWNERS.len()];
    let client = depot.client(owner, Role::Writer);
    let created = answered(|| {
        let key = format!("item-{}", n[0]);
        let client = client.clone();
        async move { client.create_item(&key, &json!({"name": "a"})).await }
    })
    .await;
    assert_eq!(created.status, 201, "{created:?}");
    let item = created.text("id");
    let mut announced = Vec::new();
    for n in &n {
        announced.push((*n, announce(&client, &item, *n).await));
    }
    let is_doomed = fate(n[0]) == Fate::Deleted;
    let sent = AtomicUsize::new(0);
    let carried_out = stream::iter(&announced).for_each_concurrent(AT_ONCE / 4, async |(n, announced)| {
        carry_out(&client, announced, *n).await;
        sent.fetch_add(1, Ordering::Relaxed);
        done.fetch_add(1, Ordering::Relaxed);
    });
    let deleted = async {
        if is_doomed {
            // Every other item goes while its uploads are sent, the others when some of theirs are attached.
            let goes_late = n[0] / 120 % 2 == 1;
            wait_long_until("half of them are sent, or some attached", || async {
                match goes_late {
                    true => has_files(&depot, &item).await,
                    false => sent.load(Ordering::Relaxed) * 2 >= announced.len(),
                }
            })
            .await;
            let path = format!("/api/v1/items/{item}");
            let deletion = || {
                client
                    .command(reqwest::Method::DELETE, &path)
                    .header("If-Match", "*")
            };
            let deleted = answered(|| client.send(deletion())).await;
            assert_eq!(deleted.status, 204, "{deleted:?}");
        }
    };
    tokio::join!(carried_out, deleted);
}

/// As `wait_until`, for what takes long where many uploads share a busy machine.
async fn wait_long_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn has_files(depot: &Depot, item: &str) -> bool {
    sqlx::query_scalar("SELECT files <> '[]' FROM command.items WHERE id = $1::uuid")
        .bind(item)
        .fetch_one(&depot.database)
        .await
        .unwrap()
}

/// Sweeps again and again while work is under way, which is to be no finding: what one transaction changes always adds
/// up, and what an event is still to tell is younger than the grace. Answers how many sweeps came to their end.
async fn sweep_meanwhile(depot: &Depot, stop: &AtomicBool) -> usize {
    let mut sweeps = 0;
    while !stop.load(Ordering::Relaxed) {
        let (code, out, error) = sweep_tool::run(depot, Role::Admin, &["--json", "--grace", "7200"]).await;
        // Without the store there is no answer.
        if code != 3 {
            let report: SweepReport = serde_json::from_str(&out).unwrap();
            assert_eq!(
                report.found, 0,
                "work under way was taken for damage, or is: {report:?} {error}"
            );
            sweeps += 1;
        }
        sleep(Duration::from_millis(500)).await;
    }
    sweeps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_uploads_with_the_store_away_in_the_middle_add_up() {
    let gate = Gate::to(settings().get("MINIO_ENDPOINT")).await;
    let endpoints = [
        ("MINIO_ENDPOINT", gate.endpoint.as_str()),
        ("MINIO_PUBLIC_ENDPOINT", gate.endpoint.as_str()),
    ];
    let depot = Arc::new(
        Depot::start_with(&[&SETTINGS[..], &endpoints].concat())
            .await
            .unwrap(),
    );
    let (done, stop, begun) = (
        Arc::new(AtomicUsize::new(0)),
        AtomicBool::new(false),
        Instant::now(),
    );
    // Uploads that go with their items have items of their own.
    let (doomed, others): (Vec<_>, Vec<_>) = (0..UPLOADS).partition(|n| fate(*n) == Fate::Deleted);
    let groups = others.chunks(PER_ITEM).chain(doomed.chunks(PER_ITEM / 5));
    let items: Vec<_> = groups.map(<[usize]>::to_vec).collect();
    let load = async {
        let items = stream::iter(items).map(|n| one_item(depot.clone(), n, done.clone()));
        items.buffer_unordered(4).collect::<Vec<()>>().await;
    };
    let outage = async {
        wait_long_until("a third of them are sent", || async {
            done.load(Ordering::Relaxed) >= UPLOADS / 3
        })
        .await;
        let before = done.load(Ordering::Relaxed);
        gate.shut();
        sleep(OUTAGE).await;
        gate.open();
        (before, gate.turned_away())
    };
    let quiet = async {
        let (_, outage) = tokio::join!(load, outage);
        wait_long_until("every upload has an outcome", || async {
            verify::open_uploads(&depot.database).await == 0
        })
        .await;
        wait_long_until("every saga is in a final state", || async {
            let open = "SELECT count(*) FROM command.sagas WHERE state NOT IN ('completed', 'compensated')";
            count(&depot, open).await == 0
        })
        .await;
        verify::quiet(&depot).await;
        stop.store(true, Ordering::Relaxed);
        outage
    };
    let ((before, turned_away), meanwhile) = tokio::join!(quiet, sweep_meanwhile(&depot, &stop));
    let under_load = begun.elapsed();
    assert_eq!(done.load(Ordering::Relaxed), UPLOADS);
    assert!(turned_away > 0, "somebody met the closed door");
    // Bytes that arrived after their upload had ended are the schedule's to find.
    wait_until("what came late is swept", || async {
        dry(&depot).await.found == 0
    })
    .await;

    let report = sweep(&depot, &["--grace", "0"]).await;
    println!(
        "{UPLOADS} uploads in {:.1} s, {AT_ONCE} at once at most",
        under_load.as_secs_f64()
    );
    println!("store away for {OUTAGE:?} when {before} were sent: {turned_away} connections turned away");
    println!("uploads by outcome: {:?}", by(&depot, BY_STATUS).await);
    println!("sagas by state: {:?}", by(&depot, BY_STATE).await);
    println!(
        "what the uploader's schedule swept: {:?}",
        swept_by_schedule(&depot).await
    );
    println!("sweeps under load, each with 0 findings: {meanwhile}");
    println!(
        "depot sweep --grace 0: {} found, {} left",
        report.found, report.left
    );
    assert_eq!((report.found, report.left), (0, 0), "{report:?}");
    assert!(meanwhile > 0);
    quota_is_what_is_attached(&depot).await;
    outcomes_are_as_meant(&depot).await;
    buckets_hold_what_is_referred_to(&depot).await;
}

/// Bytes and parts that arrived when their upload had ended, and copies that were begun before the outage.
async fn swept_by_schedule(depot: &Depot) -> Vec<String> {
    let metrics = reqwest::get(depot.admin_url(Service::Uploader, "/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let lines = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("depot_uploader_swept_total"));
    lines.map(str::to_owned).collect()
}

const BY_STATUS: &str = "SELECT status, count(*) FROM command.uploads GROUP BY 1";
const BY_STATE: &str = "SELECT saga || ' ' || state, count(*) FROM command.sagas GROUP BY 1";

async fn by(depot: &Depot, statement: &'static str) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(statement)
        .fetch_all(&depot.database)
        .await
        .unwrap();
    rows.into_iter().collect()
}

async fn count(depot: &Depot, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement)
        .fetch_one(&depot.database)
        .await
        .unwrap()
}

/// By the files that items show, not by what the accounts were counted from.
async fn quota_is_what_is_attached(depot: &Depot) {
    let accounts: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT owner, used_bytes, reserved_bytes,
                (SELECT coalesce(sum((file->>'size_bytes')::bigint), 0)::bigint
                 FROM command.items i, jsonb_array_elements(i.files) file WHERE i.owner = a.owner AND NOT i.deleted)
         FROM command.storage_accounts a ORDER BY owner",
    )
    .fetch_all(&depot.database)
    .await
    .unwrap();
    assert_eq!(accounts.len(), OWNERS.len());
    for (owner, used, reserved, attached) in accounts {
        println!("{owner}: used {used}, reserved {reserved}, attached {attached} bytes");
        assert_eq!((used, reserved), (attached, 0), "{owner}");
        assert!(attached > 0, "{owner}");
    }
}

async fn outcomes_are_as_meant(depot: &Depot) {
    let mut fates = BTreeMap::new();
    for n in 0..UPLOADS {
        *fates.entry(fate(n)).or_insert(0_i64) += 1;
    }
    let outcomes = by(depot, BY_STATUS).await;
    let of = |status: &str| outcomes.get(status).copied().unwrap_or_default();
    // Of a deleted item's: aborted if the deletion came first, removed if they were stored, rejected if it came between.
    let by_deletion =
        "SELECT count(*) FROM command.uploads u JOIN command.items i ON i.id = u.item_id WHERE i.deleted";
    assert_eq!(count(depot, by_deletion).await, fates[&Fate::Deleted]);
    assert_eq!(of("stored"), fates[&Fate::Stored]);
    assert_eq!(of("expired"), fates[&Fate::Expired]);
    let rest = of("rejected") + of("aborted") + of("removed");
    assert_eq!(
        rest,
        fates[&Fate::Rejected] + fates[&Fate::Aborted] + fates[&Fate::Deleted]
    );
    assert!(of("removed") > 0, "some were attached before they went");
    assert!(of("rejected") >= fates[&Fate::Rejected] && of("aborted") >= fates[&Fate::Aborted]);
}

async fn buckets_hold_what_is_referred_to(depot: &Depot) {
    let referred: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT object_key FROM command.uploads WHERE status = 'stored' AND object_key IS NOT NULL",
    )
    .fetch_all(&depot.database)
    .await
    .unwrap();
    let lying = keys(depot, &depot.backing.files).await;
    println!(
        "objects in the bucket of files: {}, referred to: {}",
        lying.len(),
        referred.len()
    );
    assert_eq!(lying, referred.into_iter().collect());
    assert_eq!(keys(depot, &depot.backing.staging).await, BTreeSet::new());
    let open = depot
        .backing
        .store
        .open_multiparts(&depot.backing.staging, None)
        .await
        .unwrap();
    assert_eq!(open.open, []);
}

async fn keys(depot: &Depot, bucket: &str) -> BTreeSet<String> {
    let (mut keys, mut after) = (BTreeSet::new(), None);
    loop {
        let page = depot.backing.store.list(bucket, after).await.unwrap();
        keys.extend(page.objects.into_iter().map(|object| object.key));
        match page.next {
            Some(next) => after = Some(next),
            None => return keys,
        }
    }
}
