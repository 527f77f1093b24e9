//! An upload was cancelled, or its file is to go. Whichever comes first, this or storing, the outcome is the same: no
//! file, and a receipt that keeps it so.

use depot_domain::CommandId;
use depot_schemas::{EventType, FileOutcome, FileState, UploadState};

use crate::{
    error::UploaderError,
    facts,
    files::Files,
    metrics, objects, receipts,
    receipts::{Outcome, Receipt},
    store_upload::delete_object,
};

/// Lets go of an upload's file, and tells that it is gone.
///
/// # Errors
/// A dependency is away; the same call again goes on.
pub async fn remove_upload(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<(), UploaderError> {
    if let Some(key) = decide(files, upload, cause).await? {
        // The fact is told when the store has confirmed, never before.
        delete_object(files, upload, &key).await?;
        finish(files, upload, cause).await?;
    }
    let staged = upload.id.to_string();
    files
        .store
        .delete(&files.staging, &staged)
        .await
        .map_err(UploaderError::store(upload.id))
}

/// The key of an object that has to be deleted before the fact is told; none where the fact is told, now or before.
async fn decide(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<Option<String>, UploaderError> {
    let failed = || UploaderError::database("let go of the file", upload.id);
    let mut transaction = files.pool.begin().await.map_err(failed())?;
    let cancelled = receipts::insert(
        &mut transaction,
        upload.id,
        upload.item_id,
        Outcome::Cancelled,
        None,
        None,
    )
    .await;
    if cancelled.map_err(failed())? {
        facts::tell(
            files,
            &mut transaction,
            EventType::FileRemoved,
            removed(upload, 1),
            cause,
        )
        .await?;
        transaction.commit().await.map_err(failed())?;
        files.doorbell.ring();
        metrics::count_file("cancelled", 0);
        return Ok(None);
    }
    let receipt = receipts::lock(&mut transaction, upload.id)
        .await
        .map_err(failed())?;
    let to_delete = match receipt {
        Some(Receipt {
            outcome: Outcome::Stored | Outcome::Removing,
            object_key: Some(key),
            ..
        }) => {
            receipts::mark_removing(&mut transaction, upload.id)
                .await
                .map_err(failed())?;
            objects::release(&mut transaction, &key, upload.id)
                .await
                .map_err(failed())?
                .then_some(key)
        }
        Some(Receipt {
            outcome: Outcome::Removed | Outcome::Cancelled,
            ..
        })
        | None => return Ok(None),
        Some(
            Receipt {
                outcome: Outcome::Rejected,
                ..
            }
            | Receipt { object_key: None, .. },
        ) => None,
    };
    if to_delete.is_none() {
        // Nothing of its own lies in the store: rejected, or others still refer to the object.
        let version = receipts::mark_removed(&mut transaction, upload.id)
            .await
            .map_err(failed())?;
        facts::tell(
            files,
            &mut transaction,
            EventType::FileRemoved,
            removed(upload, version),
            cause,
        )
        .await?;
        metrics::count_file("removed", 0);
    }
    transaction.commit().await.map_err(failed())?;
    files.doorbell.ring();
    Ok(to_delete)
}

async fn finish(files: &Files, upload: &UploadState, cause: CommandId) -> Result<(), UploaderError> {
    let failed = || UploaderError::database("record the removal", upload.id);
    let mut transaction = files.pool.begin().await.map_err(failed())?;
    let receipt = receipts::lock(&mut transaction, upload.id)
        .await
        .map_err(failed())?;
    // Another instance that was given the same partition may have come to this point first.
    if !receipt.is_some_and(|receipt| receipt.outcome == Outcome::Removing) {
        return Ok(());
    }
    let version = receipts::mark_removed(&mut transaction, upload.id)
        .await
        .map_err(failed())?;
    facts::tell(
        files,
        &mut transaction,
        EventType::FileRemoved,
        removed(upload, version),
        cause,
    )
    .await?;
    transaction.commit().await.map_err(failed())?;
    files.doorbell.ring();
    metrics::count_file("removed", 0);
    Ok(())
}

fn removed(upload: &UploadState, version: i64) -> FileState {
    FileState {
        upload_id: upload.id,
        item_id: upload.item_id,
        outcome: FileOutcome::Removed,
        object_key: None,
        size_bytes: None,
        sha256: None,
        reason: None,
        detail: None,
        version,
    }
}
