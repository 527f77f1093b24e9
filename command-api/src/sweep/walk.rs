//! Walks, page by page, over what is compared within this service's own schema.

use std::time::Duration;

use depot_domain::{ItemId, Owner, UploadId};
use depot_schemas::sweep::FindingKind;
use uuid::Uuid;

use super::{
    SweepError, Tally,
    suspicion::{self, Mend, Suspicion},
};
use crate::store::sweep;

const PAGE: i64 = 500;
/// A deadline is taken within seconds of its time, and for half a minute by who handles it.
const SHORTEST_OVERDUE: Duration = Duration::from_secs(300);

pub(super) async fn sagas_without_upload(tally: &mut Tally<'_>) -> Result<(), SweepError> {
    let mut after = Uuid::nil();
    loop {
        let page = sweep::upload_sagas(&mut *tally.connection().await?, after, PAGE).await?;
        for saga in page.iter().filter(|saga| !saga.has_upload) {
            let suspicion = Suspicion {
                kind: FindingKind::SagaWithoutUpload,
                subject: saga.id.to_string(),
                detail: "its upload is not there, and was not while it began".to_owned(),
                mend: Mend::RemoveSaga(UploadId(saga.id)),
            };
            tally.settle(suspicion).await?;
        }
        match page.last() {
            Some(last) => after = last.id,
            None => return Ok(()),
        }
    }
}

/// An upload is committed before the URL for its bytes is given out, so what is staged without one is nobody's.
pub(super) async fn staged(tally: &mut Tally<'_>) -> Result<(), SweepError> {
    let mut after = None;
    loop {
        let page = tally.sweeper.staging.staged(after, tally.grace()).await?;
        let unknown = sweep::unknown_uploads(&mut *tally.connection().await?, &page.uploads).await?;
        for upload in unknown {
            tally.settle(suspicion::of_staged(upload)).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

pub(super) async fn items(tally: &mut Tally<'_>) -> Result<(), SweepError> {
    let mut after = Uuid::nil();
    loop {
        let page = sweep::items(&mut *tally.connection().await?, after, PAGE).await?;
        for item in &page {
            let suspect = |kind, detail: String, mend| Suspicion {
                kind,
                subject: item.id.to_string(),
                detail,
                mend,
            };
            for upload in &item.unfounded {
                let detail = format!(
                    "it has a file of upload {upload}, which is not stored for it: look into the audit and the item's \
                     history, and delete the item if the file is not to be had"
                );
                let found = suspect(FindingKind::AttachmentUnfounded, detail, Mend::Nothing);
                tally.settle(found).await?;
            }
            if item.is_half_deleted {
                let detail = "it is deleted, and no saga ends the uploads that it has".to_owned();
                let mend = Mend::EndUploads(ItemId(item.id));
                tally
                    .settle(suspect(FindingKind::DeletionIncomplete, detail, mend))
                    .await?;
            }
        }
        match page.last() {
            Some(last) => after = last.id,
            None => return Ok(()),
        }
    }
}

pub(super) async fn accounts(tally: &mut Tally<'_>) -> Result<(), SweepError> {
    let mut after = String::new();
    loop {
        let page = sweep::accounts(&mut *tally.connection().await?, &after, PAGE).await?;
        for account in page.iter().filter(|account| !account.fits()) {
            let detail = format!(
                "used {} and reserved {}, and its uploads add up to {} stored and {} open",
                account.used_bytes, account.reserved_bytes, account.stored_bytes, account.open_bytes
            );
            let suspicion = Suspicion {
                kind: FindingKind::QuotaWrong,
                subject: account.owner.clone(),
                detail,
                mend: Owner::parse(account.owner.as_str()).map_or(Mend::Nothing, Mend::Recount),
            };
            tally.settle(suspicion).await?;
        }
        match page.last() {
            Some(last) => after.clone_from(&last.owner),
            None => return Ok(()),
        }
    }
}

pub(super) async fn halted_sagas(tally: &mut Tally<'_>) -> Result<(), SweepError> {
    let overdue = tally.grace().max(SHORTEST_OVERDUE).as_secs_f64();
    let halted = sweep::halted_sagas(&mut *tally.connection().await?, overdue, PAGE).await?;
    for saga in halted {
        let (kind, advice) = if saga.is_stuck {
            let advice = "it has asked as often as is declared: look into the dead letters, and resume it";
            (FindingKind::SagaStuck, advice)
        } else {
            let advice =
                "its deadline has passed and nobody takes it: a command-api with SAGA_ENABLED has to run";
            (FindingKind::DeadlineMissed, advice)
        };
        let suspicion = Suspicion {
            kind,
            subject: saga.id.to_string(),
            detail: format!("the saga {} is at {}: {advice}", saga.saga, saga.step),
            mend: Mend::Nothing,
        };
        tally.settle(suspicion).await?;
    }
    Ok(())
}
