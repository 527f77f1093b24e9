//! What follows from the uploader's facts about a file.

use depot_domain::{
    CommandId, Item, ItemDecision, ItemError, RejectReason, StorageAccount, Thumbnail, Upload,
    UploadDecision, UploadId,
};
use depot_schemas::EventType;

use super::{
    item_deletion::take_stock,
    machine::{ACTOR, UPLOAD_SAGA, step},
    quota,
};
use crate::{
    commands::{CommandError, UnitOfWork, Writer},
    store::{self, StoreError, transaction::ROW_LOCK_TIMEOUT, uploads::Belongs},
};

/// What a fact led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SagaOutcome {
    /// The file is attached to its item.
    Attached,
    /// The upload is rejected.
    Rejected,
    /// The uploader is asked to remove the file.
    RemovalRequested,
    /// The file is gone.
    Removed,
    /// It was so already.
    NothingToDo,
    /// No upload has this id: the fact is not about anything of ours.
    UnknownUpload,
}

/// The upload, and what has to be locked before it.
pub(super) struct Locked {
    pub account: StorageAccount,
    pub upload: Upload,
}

pub(super) async fn lock(
    unit: &mut UnitOfWork,
    id: UploadId,
    belongs: &Belongs,
) -> Result<Locked, CommandError> {
    let account = quota::lock(unit, &belongs.owner).await?;
    Ok(Locked {
        account,
        upload: lock_upload(unit, id).await?,
    })
}

async fn lock_upload(unit: &mut UnitOfWork, id: UploadId) -> Result<Upload, CommandError> {
    let upload = store::uploads::lock(unit.conn(), id).await?;
    Ok(upload.ok_or(StoreError::Unexpected {
        table: "uploads",
        id: id.to_string(),
    })?)
}

/// Whose upload it is, none if there is none.
async fn belongs(unit: &mut UnitOfWork, id: UploadId) -> Result<Option<Belongs>, CommandError> {
    Ok(store::uploads::belongs(unit.conn(), id).await?)
}

/// `FileStored`: attaches the file and settles the quota; or, where the item is gone or full, rejects the upload and
/// asks for removal; or, where the upload has ended, asks for removal.
///
/// # Errors
/// Faults of the database; nothing was done.
pub async fn file_stored(
    writer: &Writer,
    id: UploadId,
    object_key: &str,
    thumbnail: Option<Thumbnail>,
    cause: CommandId,
) -> Result<SagaOutcome, CommandError> {
    let mut unit = writer.begin(cause, ROW_LOCK_TIMEOUT).await?;
    let Some(belongs) = belongs(&mut unit, id).await? else {
        return Ok(SagaOutcome::UnknownUpload);
    };
    let account = quota::lock(&mut unit, &belongs.owner).await?;
    let item = store::items::lock(unit.conn(), belongs.item_id).await?;
    let upload = lock_upload(&mut unit, id).await?;
    let outcome = if upload.status.is_open() {
        let missing = StoreError::Unexpected {
            table: "items",
            id: belongs.item_id.to_string(),
        };
        let stored = (object_key, thumbnail);
        attach(&mut unit, account, item.ok_or(missing)?, upload, stored).await?
    } else if upload.object_key.as_deref() == Some(object_key)
        && upload.status == depot_domain::UploadStatus::Stored
    {
        SagaOutcome::NothingToDo
    } else {
        remove_unwanted(&mut unit, upload).await?
    };
    unit.commit().await?;
    Ok(outcome)
}

async fn attach(
    unit: &mut UnitOfWork,
    account: StorageAccount,
    item: Item,
    upload: Upload,
    (object_key, thumbnail): (&str, Option<Thumbnail>),
) -> Result<SagaOutcome, CommandError> {
    let item = match item.attach_file(upload.file_ref(), unit.now()) {
        Ok(ItemDecision::Changed(item, changed)) => Some((item, changed)),
        Ok(ItemDecision::Unchanged(_)) => None,
        Err(error) => {
            let reason = match error {
                ItemError::Deleted(_) => RejectReason::ItemDeleted,
                ItemError::TooManyFiles { .. } => RejectReason::TooManyFiles,
            };
            reject(unit, account, upload.clone(), reason, step::REMOVING).await?;
            let upload = lock_upload(unit, upload.id).await?;
            request_removal(unit, upload).await?;
            return Ok(SagaOutcome::RemovalRequested);
        }
    };
    let from = upload.version;
    let Ok(UploadDecision::Changed(upload)) = upload.store(object_key.to_owned(), thumbnail, unit.now())
    else {
        return Ok(SagaOutcome::NothingToDo);
    };
    if let Some((item, changed)) = item {
        store::items::update(unit.conn(), &item).await?;
        unit.record_item(EventType::ItemFileAttached, &item, &changed, ACTOR);
    }
    store::uploads::update(unit.conn(), &upload, from).await?;
    quota::settle(unit, account, &upload).await?;
    depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, upload.id.0, step::ATTACHED).await?;
    let mut changed = vec!["status", "object_key"];
    changed.extend(upload.thumbnail.as_ref().map(|_| "thumbnail"));
    unit.record_upload(EventType::UploadStored, &upload, &changed, ACTOR);
    Ok(SagaOutcome::Attached)
}

/// Ends an open upload as rejected, releases its quota, and moves the saga to `to`.
async fn reject(
    unit: &mut UnitOfWork,
    account: StorageAccount,
    upload: Upload,
    reason: RejectReason,
    to: &str,
) -> Result<bool, CommandError> {
    let from = upload.version;
    let Ok(UploadDecision::Changed(upload)) = upload.reject(reason, unit.now()) else {
        return Ok(false);
    };
    store::uploads::update(unit.conn(), &upload, from).await?;
    quota::release_reserved(unit, account, &upload).await?;
    depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, upload.id.0, to).await?;
    unit.record_upload(EventType::UploadRejected, &upload, &["status", "reason"], ACTOR);
    Ok(true)
}

/// Asks the uploader to let go of the file, in a new version of an upload whose outcome is decided.
pub(crate) async fn request_removal(unit: &mut UnitOfWork, upload: Upload) -> Result<(), CommandError> {
    let from = upload.version;
    let upload = upload.request_removal(unit.now());
    store::uploads::update(unit.conn(), &upload, from).await?;
    depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, upload.id.0, step::REMOVING).await?;
    unit.record_upload(EventType::FileRemovalRequested, &upload, &[], ACTOR);
    Ok(())
}

/// A file came for an upload that has ended. While a removal that was asked for is not answered it needs no second
/// request; otherwise each such fact is followed by one.
async fn remove_unwanted(unit: &mut UnitOfWork, upload: Upload) -> Result<SagaOutcome, CommandError> {
    let at = depot_saga::store::current(unit.conn(), &UPLOAD_SAGA, upload.id.0).await?;
    if at.is_some_and(|at| at.name == step::REMOVING) {
        return Ok(SagaOutcome::NothingToDo);
    }
    request_removal(unit, upload).await?;
    Ok(SagaOutcome::RemovalRequested)
}

/// `FileRejected`: the upload is rejected for that reason, and its quota released.
///
/// # Errors
/// Faults of the database; nothing was done.
pub async fn file_rejected(
    writer: &Writer,
    id: UploadId,
    reason: RejectReason,
    cause: CommandId,
) -> Result<SagaOutcome, CommandError> {
    let mut unit = writer.begin(cause, ROW_LOCK_TIMEOUT).await?;
    let Some(belongs) = belongs(&mut unit, id).await? else {
        return Ok(SagaOutcome::UnknownUpload);
    };
    let Locked { account, upload } = lock(&mut unit, id, &belongs).await?;
    let rejected = reject(&mut unit, account, upload, reason, step::REJECTED).await?;
    unit.commit().await?;
    Ok(if rejected {
        SagaOutcome::Rejected
    } else {
        SagaOutcome::NothingToDo
    })
}

/// `FileRemoved`: the saga that asked for it is at its end, and so may be the deletion of its item.
///
/// # Errors
/// Faults of the database; nothing was done.
pub async fn file_removed(
    writer: &Writer,
    id: UploadId,
    cause: CommandId,
) -> Result<SagaOutcome, CommandError> {
    let mut unit = writer.begin(cause, ROW_LOCK_TIMEOUT).await?;
    let Some(belongs) = belongs(&mut unit, id).await? else {
        return Ok(SagaOutcome::UnknownUpload);
    };
    lock_upload(&mut unit, id).await?;
    let at = depot_saga::store::current(unit.conn(), &UPLOAD_SAGA, id.0).await?;
    if at.is_none_or(|at| at.name != step::REMOVING) {
        return Ok(SagaOutcome::NothingToDo);
    }
    depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, id.0, step::REMOVED).await?;
    take_stock(&mut unit, belongs.item_id, false).await?;
    unit.commit().await?;
    Ok(SagaOutcome::Removed)
}
