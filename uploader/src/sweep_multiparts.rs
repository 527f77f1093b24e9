//! Multipart uploads that nobody will end any more: their parts take space that no listing of objects shows.

use std::{collections::HashSet, time::Duration};

use depot_object_store::OpenMultipart;
use time::OffsetDateTime;

use crate::{files::Files, receipts, sweep::SweepError};

/// Aborts those in both buckets that are older than `grace` and of no use; answers how many.
///
/// In staging one without a receipt may still take parts, however old it is: an upload that never completes expires,
/// and its expiry writes the receipt. In the bucket of files only a copy that goes through this process makes one, in
/// less than the grace.
///
/// # Errors
/// [`SweepError`]; what was aborted by then stays aborted.
pub(crate) async fn sweep_multiparts(files: &Files, grace: Duration) -> Result<u64, SweepError> {
    let (mut aborted, mut after) = (0, None);
    loop {
        let page = files.store.open_multiparts(&files.staging, after).await?;
        let old: Vec<_> = page
            .open
            .into_iter()
            .filter(|open| is_older(open, grace))
            .collect();
        let uploads: Vec<_> = old.iter().filter_map(|open| open.key.parse().ok()).collect();
        let mut connection = files.pool.acquire().await?;
        let concluded = receipts::known(&mut connection, &uploads).await?;
        drop(connection);
        let concluded: HashSet<_> = concluded.iter().map(ToString::to_string).collect();
        for open in old.iter().filter(|open| concluded.contains(&open.key)) {
            files
                .store
                .abort_multipart(&files.staging, &open.key, &open.id)
                .await?;
            aborted += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut after = None;
    loop {
        let page = files.store.open_multiparts(&files.bucket, after).await?;
        for open in page.open.iter().filter(|open| is_older(open, grace)) {
            files
                .store
                .abort_multipart(&files.bucket, &open.key, &open.id)
                .await?;
            aborted += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(aborted),
        }
    }
}

fn is_older(open: &OpenMultipart, grace: Duration) -> bool {
    open.begun_at + grace <= OffsetDateTime::now_utc()
}
