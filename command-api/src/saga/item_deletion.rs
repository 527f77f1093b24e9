//! An item went: its uploads go too.

use depot_domain::{CancelReason, CommandId, ItemId, UploadDecision, UploadId, UploadStatus};
use depot_schemas::EventType;
use uuid::Uuid;

use super::{
    machine::{ACTOR, UPLOAD_SAGA, step},
    quota,
    upload_saga::{Locked, lock, request_removal},
};
use crate::{
    commands::{CommandError, Writer},
    store::{self, StoreError, transaction::ROW_LOCK_TIMEOUT},
};

/// Uploads that are looked up at once.
const PAGE: i64 = 100;

/// Ends every upload of a deleted item, each in a transaction of its own: an open one is aborted and its quota
/// released; a stored one is removed, its quota released, and the uploader asked to remove the file. Answers how many
/// were ended.
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
        let Some(last) = ids.last() else { return Ok(ended) };
        after = *last;
        for id in ids {
            ended += usize::from(end_upload(writer, id, cause).await?);
        }
    }
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
        depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, id.0, step::ABORTED, None).await?;
        unit.record_upload(EventType::UploadAborted, &upload, &["status", "reason"], ACTOR);
    }
    unit.commit().await?;
    Ok(true)
}
