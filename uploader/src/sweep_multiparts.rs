//! Multipart uploads that nobody will end any more: their parts take space that no listing of objects shows.

use std::{collections::HashSet, time::Duration};

use depot_object_store::OpenMultipart;
use depot_schemas::sweep::FindingKind;
use time::OffsetDateTime;

use crate::{
    files::Files,
    receipts,
    sweep::{SweepError, Tally},
};

/// Aborts those in both buckets that are older than the grace and of no use.
///
/// In staging one without a receipt may still take parts, however old it is: an upload that never completes expires,
/// and its expiry writes the receipt. In the bucket of files only a copy that goes through this process makes one, in
/// less than the grace.
///
/// # Errors
/// [`SweepError`]; what was aborted by then stays aborted.
pub(crate) async fn sweep_multiparts(files: &Files, tally: &mut Tally) -> Result<(), SweepError> {
    let mut after = None;
    loop {
        let page = files.store.open_multiparts(&files.staging, after).await?;
        let old = older(page.open, tally.options.grace);
        let uploads: Vec<_> = old.iter().filter_map(|open| open.key.parse().ok()).collect();
        let mut connection = files.pool.acquire().await?;
        let concluded = receipts::known(&mut connection, &uploads).await?;
        drop(connection);
        let concluded: HashSet<_> = concluded.iter().map(ToString::to_string).collect();
        for open in old.iter().filter(|open| concluded.contains(&open.key)) {
            abort(files, tally, &files.staging, open).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut after = None;
    loop {
        let page = files.store.open_multiparts(&files.bucket, after).await?;
        for open in older(page.open, tally.options.grace) {
            abort(files, tally, &files.bucket, &open).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn abort(
    files: &Files,
    tally: &mut Tally,
    bucket: &str,
    open: &OpenMultipart,
) -> Result<(), SweepError> {
    if !tally.options.dry_run {
        files.store.abort_multipart(bucket, &open.key, &open.id).await?;
    }
    let subject = format!("{bucket}/{}", open.key);
    tally.mended(
        FindingKind::OpenMultipart,
        subject,
        "nobody will end this multipart upload",
    );
    Ok(())
}

fn older(open: Vec<OpenMultipart>, grace: Duration) -> Vec<OpenMultipart> {
    let now = OffsetDateTime::now_utc();
    open.into_iter()
        .filter(|open| open.begun_at + grace <= now)
        .collect()
}
