//! Uploads and the uploader's receipts, side by side in the order of their ids.

use std::collections::BTreeMap;

use depot_schemas::sweep::ReceiptRow;
use uuid::Uuid;

use super::{
    SweepError, Tally,
    suspicion::{self, Suspicion},
};
use crate::store::sweep::{self, UploadStanding};

const PAGE: i64 = 500;

/// Both sides from an id on, as far as both are known.
struct Page {
    uploads: BTreeMap<Uuid, UploadStanding>,
    receipts: BTreeMap<Uuid, ReceiptRow>,
    /// None at the end of both.
    until: Option<Uuid>,
}

/// What a suspicion was founded on: versions of the upload and of the receipt.
type Grounds = (Option<i64>, Option<i64>);

pub(super) async fn uploads(tally: &mut Tally<'_>) -> Result<(), SweepError> {
    let mut after = Uuid::nil();
    loop {
        let page = read(tally, after, None).await?;
        for upload in page.uploads.values() {
            for suspicion in suspicion::of_upload(upload) {
                tally.settle(suspicion).await?;
            }
        }
        for suspicion in confirmed(tally, after, &page).await? {
            tally.settle(suspicion).await?;
        }
        match page.until {
            Some(until) => after = until,
            None => return Ok(()),
        }
    }
}

/// What is suspected twice, on the same grounds. In between something may have been heard of, and then it is no finding.
async fn confirmed(tally: &Tally<'_>, after: Uuid, page: &Page) -> Result<Vec<Suspicion>, SweepError> {
    let first = compare(tally, page);
    if first.is_empty() {
        return Ok(Vec::new());
    }
    let ids = page.uploads.keys().chain(page.receipts.keys());
    let again = read(tally, after, ids.max().copied()).await?;
    let second = compare(tally, &again);
    let both = first.into_iter().filter(|suspected| second.contains(suspected));
    Ok(both.map(|(suspicion, _)| suspicion).collect())
}

fn compare(tally: &Tally<'_>, page: &Page) -> Vec<(Suspicion, Grounds)> {
    let of_uploads = page.uploads.values().filter_map(|upload| {
        let receipt = page.receipts.get(&upload.id);
        let suspicion = suspicion::against_receipt(upload, receipt, tally.grace())?;
        Some((
            suspicion,
            (Some(upload.version), receipt.map(|receipt| receipt.version)),
        ))
    });
    let of_receipts = page.receipts.values().filter_map(|receipt| {
        if page.uploads.contains_key(&receipt.upload_id) {
            return None;
        }
        Some((suspicion::of_unknown(receipt)?, (None, Some(receipt.version))))
    });
    of_uploads.chain(of_receipts).collect()
}

/// One page of each side, cut where the shorter one ends: memory stays flat, whichever side has more. The receipts are
/// read after the uploads, so that one without an upload is none that has just been requested: there is a second look.
async fn read(tally: &Tally<'_>, after: Uuid, up_to: Option<Uuid>) -> Result<Page, SweepError> {
    let rows = sweep::uploads(&mut *tally.connection().await?, after, up_to, PAGE).await?;
    let is_full = rows.len() as i64 == PAGE;
    let mut until = rows.last().filter(|_| is_full).map(|last| last.id);
    let answer = tally.sweeper.uploader.receipts(after, until.or(up_to)).await?;
    if let Some(next) = answer.next {
        until = Some(next);
    }
    let within = |id: &Uuid| until.is_none_or(|until| *id <= until);
    Ok(Page {
        uploads: rows
            .into_iter()
            .filter(|row| within(&row.id))
            .map(|row| (row.id, row))
            .collect(),
        receipts: answer
            .receipts
            .into_iter()
            .map(|row| (row.upload_id, row))
            .collect(),
        until,
    })
}
