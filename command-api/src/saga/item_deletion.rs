//! An item went: its uploads go too, and its deletion is complete when the object store has confirmed that of each file.

use depot_domain::{CancelReason, CommandId, ItemId, UploadDecision, UploadId, UploadStatus};
use depot_saga::{
    store::Asked,
    timeout::{Due, OnTimeout},
};
use depot_schemas::EventType;
use uuid::Uuid;

use super::{
    machine::{ACTOR, ITEM_DELETION_SAGA, UPLOAD_SAGA, step},
    quota,
    upload_saga::{Locked, lock, request_removal},
};
use crate::{
    commands::{CommandError, UnitOfWork, Writer},
    store::{self, StoreError, transaction::ROW_LOCK_TIMEOUT},
};

/// Uploads that are looked up at once.
const PAGE: i64 = 100;

/// Handles the passed deadlines of items' deletions.
#[derive(Debug, Clone)]
pub struct ItemDeletionDeadlines(pub Writer);

impl OnTimeout for ItemDeletionDeadlines {
    type Error = CommandError;

    async fn timed_out(&self, due: &Due) -> Result<(), CommandError> {
        let (item, cause) = (ItemId(due.saga_id), CommandId::generate());
        end_uploads_of_item(&self.0, item, cause).await?;
        let mut unit = self.0.begin(cause, ROW_LOCK_TIMEOUT).await?;
        let asked = depot_saga::store::ask_again(unit.conn(), &ITEM_DELETION_SAGA, due).await?;
        if asked == Asked::Stuck {
            tracing::error!(
                item.id = %item, saga.step = due.step, saga.attempts = due.attempts,
                "files of a deleted item are still not removed: its saga is stuck until they are or it is resumed"
            );
        }
        unit.commit().await
    }
}

/// Ends every upload of a deleted item, each in a transaction of its own: an open one is aborted and its reservation
/// released; a stored one is removed and its used bytes released; the uploader is asked to let go of whatever it has
/// of either. Then the item's deletion is where that leaves it. Answers how many were ended.
///
/// No upload can be added to the item meanwhile: a request for one locks the item and finds it deleted.
///
/// # Errors
/// Faults of the database. What was ended stays so, and the rest is found by the next call.
pub async fn end_uploads_of_item(
    writer: &Writer,
    item: ItemId,
    cause: CommandId,
) -> Result<usize, CommandError> {
    let mut after = UploadId(Uuid::nil());
    let mut ended = 0;
    loop {
        let mut conn = writer
            .pool()
            .acquire()
            .await
            .map_err(StoreError::doing("list the uploads of an item"))?;
        let ids = store::uploads::open_or_stored_of_item(&mut conn, item, after, PAGE).await?;
        drop(conn);
        let Some(last) = ids.last() else { break };
        after = *last;
        for id in ids {
            ended += usize::from(end_upload(writer, id, cause).await?);
        }
    }
    let mut unit = writer.begin(cause, ROW_LOCK_TIMEOUT).await?;
    // One that was deleted before such sagas were kept has none.
    depot_saga::store::begin(unit.conn(), &ITEM_DELETION_SAGA, item.0, None).await?;
    take_stock(&mut unit, item, true).await?;
    unit.commit().await?;
    Ok(ended)
}

/// Moves an item's deletion on by what its uploads' sagas say now. `all_ended` says that each of its uploads was ended;
/// otherwise that is only known from an earlier step.
///
/// The deletion's row is locked first, and the last lock of all: of two uploads whose files go at the same time, the
/// second sees the first as removed.
pub(super) async fn take_stock(
    unit: &mut UnitOfWork,
    item: ItemId,
    all_ended: bool,
) -> Result<(), CommandError> {
    let at = depot_saga::store::lock(unit.conn(), &ITEM_DELETION_SAGA, item.0).await?;
    let to = match at.map(|at| at.name) {
        Some(step::ENDING_UPLOADS) if all_ended => step::AWAITING_REMOVALS,
        Some(step::AWAITING_REMOVALS) => step::AWAITING_REMOVALS,
        // No deletion, one whose uploads are still being ended, or one that is complete.
        _ => return Ok(()),
    };
    let unfinished = store::uploads::unfinished_of_item(unit.conn(), item, UPLOAD_SAGA.name).await?;
    let to = if unfinished { to } else { step::COMPLETED };
    if at.is_some_and(|at| at.name != to) {
        depot_saga::store::advance(unit.conn(), &ITEM_DELETION_SAGA, item.0, to).await?;
    }
    Ok(())
}

async fn end_upload(writer: &Writer, id: UploadId, cause: CommandId) -> Result<bool, CommandError> {
    let mut unit = writer.begin(cause, ROW_LOCK_TIMEOUT).await?;
    let Some(belongs) = store::uploads::belongs(unit.conn(), id).await? else {
        return Ok(false);
    };
    let Locked { account, upload } = lock(&mut unit, id, &belongs).await?;
    let (from, was) = (upload.version, upload.status);
    let decision = match was {
        UploadStatus::Stored => Ok(upload.remove(unit.now())),
        _ => upload.abort(CancelReason::ItemDeleted, unit.now()),
    };
    // It has ended by itself since it was listed.
    let Ok(UploadDecision::Changed(upload)) = decision else {
        return Ok(false);
    };
    store::uploads::update(unit.conn(), &upload, from).await?;
    if was == UploadStatus::Stored {
        quota::release_used(&mut unit, account, &upload).await?;
        unit.record_upload(EventType::UploadRemoved, &upload, &["status"], ACTOR);
        request_removal(&mut unit, upload).await?;
    } else {
        quota::release_reserved(&mut unit, account, &upload).await?;
        // An abort asks for removal by itself: the uploader answers that nothing of the upload is left.
        depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, id.0, step::REMOVING).await?;
        unit.record_upload(EventType::UploadAborted, &upload, &["status", "reason"], ACTOR);
    }
    unit.commit().await?;
    Ok(true)
}
