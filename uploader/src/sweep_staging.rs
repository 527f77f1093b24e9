//! Staged bytes that are of no use any more.

use std::time::Duration;

use depot_object_store::{Listed, PROBE_PREFIX};
use depot_schemas::sweep::FindingKind;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    files::Files,
    receipts,
    sweep::{SweepError, Tally},
};

/// A staged object whose upload has a receipt is of no use. One without a receipt may still be asked for, however
/// old: an upload that never completes expires, and its expiry writes the receipt.
pub(crate) async fn sweep_staging(files: &Files, tally: &mut Tally) -> Result<(), SweepError> {
    let mut after = None;
    loop {
        let page = files.store.list(&files.staging, after).await?;
        let old = page
            .objects
            .iter()
            .filter(|object| is_older(object, tally.options.grace));
        let (uploads, probes) = sort(old);
        let mut connection = files.pool.acquire().await?;
        let concluded = receipts::known(&mut connection, &uploads).await?;
        drop(connection);
        for key in concluded.iter().map(Uuid::to_string).chain(probes) {
            if !tally.options.dry_run {
                files.store.delete(&files.staging, &key).await?;
            }
            let subject = format!("{}/{key}", files.staging);
            tally.mended(
                FindingKind::StagedLeftover,
                subject,
                "nothing waits for these bytes any more",
            );
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
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

pub(crate) fn is_older(object: &Listed, grace: Duration) -> bool {
    object.last_modified + grace <= OffsetDateTime::now_utc()
}
