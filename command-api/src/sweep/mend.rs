//! What mends a finding: a transaction of its own each, which locks in the order account, item, upload, saga, looks
//! again, and writes what it does to the audit.

use std::time::Duration;

use depot_domain::{CommandId, ItemDecision, ItemError, Owner, UploadId, UploadStatus};
use depot_saga::{Resumed, repair};
use depot_schemas::EventType;
use serde_json::json;
use uuid::Uuid;

use super::suspicion::{Mend, Suspicion, fits, step_of};
use crate::{
    commands::{CommandError, UnitOfWork, Writer},
    saga::{ACTOR, UPLOAD_SAGA, end_uploads_of_item, request_removal, step},
    store::{self, transaction::ROW_LOCK_TIMEOUT},
};

/// What became of a suspicion that was looked at once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    Done,
    /// Right by now, or somebody is at it.
    NotNeeded,
    /// It is as suspected, and this cannot mend it.
    Impossible,
}

/// Mends findings.
#[derive(Debug, Clone)]
pub struct Mender {
    pub writer: Writer,
    /// How long an upload may be completed after its bytes could be sent.
    pub upload_grace: Duration,
}

impl Mender {
    /// Mends one finding on behalf of `actor`.
    ///
    /// # Errors
    /// Nothing was done.
    pub async fn mend(&self, suspicion: &Suspicion, actor: &str) -> Result<Mended, CommandError> {
        let mut unit = self.writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await?;
        match self.look_again(&mut unit, &suspicion.mend).await {
            Ok(Mended::Done) => {}
            Ok(other) => {
                unit.roll_back().await;
                return Ok(other);
            }
            Err(error) => {
                unit.roll_back().await;
                return Err(error);
            }
        }
        note(&mut unit, suspicion, actor).await?;
        unit.commit().await?;
        if let Mend::EndUploads(item) = &suspicion.mend {
            end_uploads_of_item(&self.writer, *item, CommandId::generate()).await?;
        }
        Ok(Mended::Done)
    }

    async fn look_again(&self, unit: &mut UnitOfWork, mend: &Mend) -> Result<Mended, CommandError> {
        match mend {
            Mend::PlaceSaga(id) => place_saga(unit, *id, self.upload_grace).await,
            Mend::RemoveSaga(id) => remove_saga(unit, *id).await,
            Mend::AskNow(id) => ask_now(unit, *id).await,
            Mend::RequestRemoval(id, version) => ask_for_removal(unit, *id, *version).await,
            Mend::Attach(id) => attach(unit, *id).await,
            Mend::Recount(owner) => recount(unit, owner).await,
            // Ending them has transactions of its own, after that of the audit.
            Mend::EndUploads(_) => Ok(Mended::Done),
            Mend::Forget(_) | Mend::Nothing => Ok(Mended::Impossible),
        }
    }
}

/// What is mended is in the audit, whoever asked for it.
pub async fn note(unit: &mut UnitOfWork, suspicion: &Suspicion, actor: &str) -> Result<(), CommandError> {
    let detail = json!({ "kind": suspicion.kind, "detail": suspicion.detail });
    store::audit::insert(unit.conn(), actor, "sweep.mend", &suspicion.subject, detail).await?;
    Ok(())
}

/// The upload is what counts: its events were published. What its saga waits for there it asks for by its deadline.
async fn place_saga(unit: &mut UnitOfWork, id: UploadId, grace: Duration) -> Result<Mended, CommandError> {
    let Some(upload) = store::uploads::lock(unit.conn(), id).await? else {
        return Ok(Mended::NotNeeded);
    };
    let before = Uuid::from_u128(id.0.as_u128().saturating_sub(1));
    let standing = store::sweep::uploads(unit.conn(), before, Some(id.0), 1).await?;
    let saga = standing.into_iter().next().and_then(|standing| standing.saga);
    if saga.is_some_and(|(at, state)| fits(upload.status, &at, &state)) {
        return Ok(Mended::NotNeeded);
    }
    let deadline = upload.expires_at + grace;
    repair::place(
        unit.conn(),
        &UPLOAD_SAGA,
        id.0,
        step_of(upload.status),
        Some(deadline),
    )
    .await?;
    Ok(Mended::Done)
}

async fn remove_saga(unit: &mut UnitOfWork, id: UploadId) -> Result<Mended, CommandError> {
    if store::uploads::belongs(unit.conn(), id).await?.is_some() {
        return Ok(Mended::NotNeeded);
    }
    Ok(done(repair::remove(unit.conn(), &UPLOAD_SAGA, id.0).await?))
}

async fn ask_now(unit: &mut UnitOfWork, id: UploadId) -> Result<Mended, CommandError> {
    let upload = store::uploads::lock(unit.conn(), id).await?;
    if upload.is_none_or(|upload| upload.status != UploadStatus::Received) {
        return Ok(Mended::NotNeeded);
    }
    if depot_saga::resume(unit.conn(), &UPLOAD_SAGA, id.0).await? == Resumed::Resumed {
        return Ok(Mended::Done);
    }
    Ok(done(repair::ask_now(unit.conn(), &UPLOAD_SAGA, id.0).await?))
}

async fn ask_for_removal(unit: &mut UnitOfWork, id: UploadId, version: i64) -> Result<Mended, CommandError> {
    let upload = store::uploads::lock(unit.conn(), id).await?;
    let Some(upload) = upload.filter(|upload| upload.version == version) else {
        return Ok(Mended::NotNeeded);
    };
    let at = depot_saga::store::lock(unit.conn(), &UPLOAD_SAGA, id.0).await?;
    if at.is_none_or(|at| at.name == step::REMOVING) {
        return Ok(Mended::NotNeeded);
    }
    request_removal(unit, upload).await?;
    Ok(Mended::Done)
}

async fn attach(unit: &mut UnitOfWork, id: UploadId) -> Result<Mended, CommandError> {
    let Some(belongs) = store::uploads::belongs(unit.conn(), id).await? else {
        return Ok(Mended::NotNeeded);
    };
    let item = store::items::lock(unit.conn(), belongs.item_id).await?;
    let upload = store::uploads::lock(unit.conn(), id).await?;
    let upload = upload.filter(|upload| upload.status == UploadStatus::Stored);
    let (Some(item), Some(upload)) = (item, upload) else {
        return Ok(Mended::NotNeeded);
    };
    match item.attach_file(upload.file_ref(), unit.now()) {
        Ok(ItemDecision::Changed(item, changed)) => {
            store::items::update(unit.conn(), &item).await?;
            unit.record_item(EventType::ItemFileAttached, &item, &changed, ACTOR);
            Ok(Mended::Done)
        }
        // A deleted item's uploads are ended by its saga.
        Ok(ItemDecision::Unchanged(_)) | Err(ItemError::Deleted(_)) => Ok(Mended::NotNeeded),
        Err(ItemError::TooManyFiles { .. }) => Ok(Mended::Impossible),
    }
}

async fn recount(unit: &mut UnitOfWork, owner: &Owner) -> Result<Mended, CommandError> {
    store::accounts::lock(unit.conn(), owner).await?;
    Ok(done(store::sweep::recount(unit.conn(), owner).await?))
}

fn done(is_done: bool) -> Mended {
    if is_done { Mended::Done } else { Mended::NotNeeded }
}
