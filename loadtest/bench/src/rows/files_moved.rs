use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use depot_end_to_end::Client;
use depot_object_store::{CopyConditions, CopyOutcome};
use depot_service::auth::Role;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Row,
    files::{Content, Staged, stage},
};
use crate::{
    bench::{Bench, Place},
    goal::{Bound, Goal},
    installation::{Installation, backing_services},
    measurement::Found,
};

const NAME: &str = "files-moved";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// The uploader's four a partition, of six partitions.
const PARALLEL: usize = 24;
const LIMIT: Duration = Duration::from_secs(600);

pub const ROW: Row = Row {
    name: NAME,
    about: "Files of 1 KiB, 1 MiB and 1 GiB moved from staging to the bucket of files, files and MiB a second, from the first \
            upload completed to the last receipt written. Limit: GET, SHA-256 and the same copy of objects that lie there \
            likewise, as many at a time as the uploader may, with nothing else. Memory is to be the same for all sizes.",
    measures: &[
        "limit-1kib",
        "ours-1kib",
        "limit-1mib",
        "ours-1mib",
        "limit-1gib",
        "ours-1gib",
    ],
    peers: &[],
    goals: &[
        goal("ours-1kib", "limit-1kib"),
        goal("ours-1mib", "limit-1mib"),
        goal("ours-1gib", "limit-1gib"),
        Goal {
            ours: ("ours-1gib", "uploader.rss_peak_bytes"),
            against: ("ours-1mib", "uploader.rss_peak_bytes"),
            bound: Bound::AtMost(1.2),
        },
    ],
    run: |bench| Box::pin(run(bench)),
};

const fn goal(ours: &'static str, against: &'static str) -> Goal {
    Goal {
        ours: (ours, "files_per_second"),
        against: (against, "files_per_second"),
        bound: Bound::AtLeast(0.8),
    }
}

async fn run(bench: &Bench) -> Result<()> {
    // One PUT a file of any of these sizes, and room for all of them.
    let overrides = [
        ("MULTIPART_OVER_BYTES", "5368709120"),
        ("DEFAULT_QUOTA_BYTES", "1099511627776"),
    ];
    let installation = Installation::start(&overrides).await?;
    let client = installation.depot.client("bench", Role::Writer);
    for round in bench.rounds() {
        for (limit, ours, size, files) in [
            ("limit-1kib", "ours-1kib", KIB, bench.sized(400, 2_000)),
            ("limit-1mib", "ours-1mib", MIB, bench.sized(100, 400)),
            ("limit-1gib", "ours-1gib", 1024 * MIB, 1),
        ] {
            let place = |what| Place {
                row: NAME,
                round,
                what,
            };
            let staged = stage(&installation, size, files).await?;
            let bare = move_bare(&installation, staged, size);
            bench.measure(place(limit), backing_services(), bare).await?;
            let staged = stage(&installation, size, files).await?;
            let moved = move_by_uploader(&installation, &client, staged, size);
            bench.measure(place(ours), installation.watched(), moved).await?;
        }
    }
    Ok(())
}

fn found(files: usize, size: usize, seconds: f64) -> Found {
    Found::values([
        ("files_per_second", files as f64 / seconds),
        ("mib_per_second", (files * size) as f64 / MIB as f64 / seconds),
        ("counted_seconds", seconds),
    ])
}

async fn move_bare(installation: &Installation, staged: Vec<Staged>, size: usize) -> Result<Found> {
    let backing = &installation.depot.backing;
    let tag = uuid::Uuid::now_v7().to_string();
    let conditions = backing
        .store
        .probe_copy_conditions(&backing.staging, &backing.files, &tag)
        .await?;
    let (began, files) = (Instant::now(), staged.len());
    let moves = stream::iter(staged).map(|file| async move {
        let reading = backing.store.open(&backing.staging, &file.key, None).await?;
        let etag = reading.etag.clone();
        let digest = reading.digest().await?;
        let to = format!("bare/{}", file.id);
        let (from, to) = (
            (backing.staging.as_str(), file.key.as_str()),
            (backing.files.as_str(), to.as_str()),
        );
        let copied = match conditions {
            CopyConditions::Honoured => {
                backing
                    .store
                    .copy_verified(from, &etag, to, Content::TYPE, size as i64)
                    .await?
            }
            CopyConditions::Ignored => {
                backing
                    .store
                    .copy_through(from, to, Content::TYPE, digest)
                    .await?
            }
        };
        ensure!(copied == CopyOutcome::Copied, "{} changed meanwhile", file.key);
        anyhow::Ok(())
    });
    moves.buffer_unordered(PARALLEL).try_collect::<()>().await?;
    Ok(found(files, size, began.elapsed().as_secs_f64()))
}

async fn move_by_uploader(
    installation: &Installation,
    client: &Client,
    staged: Vec<Staged>,
    size: usize,
) -> Result<Found> {
    let (receipts, files) = (receipts(installation).await?, staged.len());
    let began = Instant::now();
    let completions = stream::iter(staged).map(|file| async move {
        let completed = client.complete_upload(&file.id).await?;
        ensure!(completed.status.is_success(), "complete: {completed:?}");
        anyhow::Ok(())
    });
    let all_received = async {
        completions.buffer_unordered(PARALLEL).try_collect::<()>().await?;
        while self::receipts(installation).await? < receipts + files as i64 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(began.elapsed().as_secs_f64())
    };
    let seconds = tokio::time::timeout(LIMIT, all_received).await;
    Ok(found(
        files,
        size,
        seconds.context("the uploader has not moved all files")??,
    ))
}

async fn receipts(installation: &Installation) -> Result<i64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM uploader.receipts WHERE outcome = 'stored'");
    Ok(count.fetch_one(&installation.depot.database).await?)
}
