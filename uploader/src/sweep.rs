//! What a crash, a late PUT or a store that was away left behind, found and mended on a schedule.

use std::time::Duration;

use depot_object_store::{Listed, PROBE_PREFIX, StoreError};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::SweepConfig, files::Files, metrics, objects, receipts, sweep_multiparts::sweep_multiparts,
};

/// Deletions taken up in one sweep; the rest waits for the next.
const DELETIONS: i64 = 1_000;

/// What one sweep mended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Staged objects of uploads that have their outcome.
    pub staged: u64,
    /// Multipart uploads that nobody will end.
    pub multiparts: u64,
    /// Copies that nobody finished.
    pub stale_copies: u64,
    /// Objects in the bucket of files that nobody may refer to.
    pub strays: u64,
    /// Deletions that were decided and now confirmed.
    pub deletions: u64,
}

/// Why a sweep ended early; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error("the sweep could not use the database")]
    Database(#[from] sqlx::Error),
    #[error("the sweep could not use the object store")]
    Store(#[from] StoreError),
}

/// Sweeps at every interval until it is cancelled.
pub(crate) async fn run(files: Files, config: SweepConfig, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(config.interval))
        .await
        .is_some()
    {
        match stop.run_until_cancelled(sweep(&files, config.grace)).await {
            Some(Ok(swept)) if swept != Swept::default() => {
                tracing::info!(?swept, "the sweep mended something")
            }
            Some(Ok(_)) | None => {}
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the sweep ended early")
            }
        }
    }
}

/// Compares both buckets with what is on record, and mends what is older than `grace`.
///
/// # Errors
/// [`SweepError`]; what was mended by then stays mended.
pub async fn sweep(files: &Files, grace: Duration) -> Result<Swept, SweepError> {
    let mut swept = Swept {
        staged: sweep_staging(files, grace).await?,
        ..Swept::default()
    };
    let mut connection = files.pool.acquire().await?;
    swept.stale_copies = objects::discard_stale_copies(&mut connection, grace).await?;
    drop(connection);
    swept.multiparts = sweep_multiparts(files, grace).await?;
    swept.strays = adopt_strays(files, grace).await?;
    swept.deletions = carry_out_deletions(files).await?;
    metrics::count_swept("staged", swept.staged);
    metrics::count_swept("multipart", swept.multiparts);
    metrics::count_swept("stale_copy", swept.stale_copies);
    metrics::count_swept("stray", swept.strays);
    metrics::count_swept("deletion", swept.deletions);
    Ok(swept)
}

/// A staged object whose upload has a receipt is of no use. One without a receipt may still be asked for, however
/// old: an upload that never completes expires, and its expiry writes the receipt.
async fn sweep_staging(files: &Files, grace: Duration) -> Result<u64, SweepError> {
    let (mut deleted, mut after) = (0, None);
    loop {
        let page = files.store.list(&files.staging, after).await?;
        let old = page.objects.iter().filter(|object| is_older(object, grace));
        let (uploads, probes) = sort(old);
        let mut connection = files.pool.acquire().await?;
        let concluded = receipts::known(&mut connection, &uploads).await?;
        drop(connection);
        for key in concluded.iter().map(Uuid::to_string).chain(probes) {
            files.store.delete(&files.staging, &key).await?;
            deleted += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(deleted),
        }
    }
}

/// Staged uploads, and what a start-up probe left behind when it was cut off. Anything else is not this system's.
fn sort<'a>(objects: impl Iterator<Item = &'a Listed>) -> (Vec<Uuid>, Vec<String>) {
    let (mut uploads, mut probes) = (Vec::new(), Vec::new());
    for object in objects {
        match object.key.parse() {
            Ok(upload) => uploads.push(upload),
            Err(_) if object.key.starts_with(PROBE_PREFIX) => probes.push(object.key.clone()),
            Err(_) => {}
        }
    }
    (uploads, probes)
}

/// Only what nobody may refer to, and is older than the grace: a copy has its row before its first byte.
async fn adopt_strays(files: &Files, grace: Duration) -> Result<u64, SweepError> {
    let (mut adopted, mut after) = (0, None);
    loop {
        let page = files.store.list(&files.bucket, after).await?;
        let old = page.objects.into_iter().filter(|object| is_older(object, grace));
        let keys: Vec<String> = old.map(|object| object.key).collect();
        let mut connection = files.pool.acquire().await?;
        adopted += objects::adopt_strays(&mut connection, &keys).await?.len() as u64;
        drop(connection);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(adopted),
        }
    }
}

async fn carry_out_deletions(files: &Files) -> Result<u64, SweepError> {
    let mut connection = files.pool.acquire().await?;
    let keys = objects::deleting(&mut connection, DELETIONS).await?;
    drop(connection);
    for key in &keys {
        files.store.delete(&files.bucket, key).await?;
        let mut connection = files.pool.acquire().await?;
        objects::mark_deleted(&mut connection, key).await?;
    }
    Ok(keys.len() as u64)
}

fn is_older(object: &Listed, grace: Duration) -> bool {
    object.last_modified + grace <= OffsetDateTime::now_utc()
}
