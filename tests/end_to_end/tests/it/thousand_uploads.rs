//! A thousand uploads at once, of which a third come to nothing, with the object store stopped for ten seconds in
//! the middle: afterwards everything adds up, by the tool that looks for what does not.

mod adds_up;
mod clients;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use depot_end_to_end::{Backing, Depot, OwnStore};
use depot_schemas::sweep::SweepReport;
use depot_service::auth::Role;
use depot_test_stack::wait_until;
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

use self::{
    adds_up::{
        BY_STATE, BY_STATUS, buckets_hold_what_is_referred_to, by, count, outcomes_are_as_meant,
        quota_is_what_is_attached, swept_by_schedule,
    },
    clients::{UNANSWERED, one_item},
};
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

/// As `wait_until`, for what takes long where many uploads share a busy machine.
async fn wait_long_until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(100)).await;
    }
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
async fn a_thousand_uploads_with_the_store_stopped_in_the_middle_add_up() {
    let store = OwnStore::start().await.unwrap();
    let backing = Backing::create_on(&store.endpoint).await.unwrap();
    let depot = Arc::new(Depot::start_on(backing, &SETTINGS).await.unwrap());
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
        let before = (done.load(Ordering::Relaxed), UNANSWERED.load(Ordering::Relaxed));
        let stopped = Instant::now();
        store.stop().await.unwrap();
        sleep(OUTAGE).await;
        store.start_again().await.unwrap();
        let unanswered = UNANSWERED.load(Ordering::Relaxed) - before.1;
        (before.0, unanswered, stopped.elapsed())
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
    let ((before, unanswered, away), meanwhile) = tokio::join!(quiet, sweep_meanwhile(&depot, &stop));
    let under_load = begun.elapsed();
    assert_eq!(done.load(Ordering::Relaxed), UPLOADS);
    assert!(unanswered > 0, "somebody missed the store");
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
    println!(
        "store stopped when {before} were sent, back after {:.1} s: {unanswered} requests of clients repeated",
        away.as_secs_f64()
    );
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
