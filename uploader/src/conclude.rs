//! The outcome of an upload: receipt and fact in one transaction, with the object that the receipt refers to locked.

use depot_domain::CommandId;
use depot_schemas::{EventType, FileOutcome, FileState, UploadState};
use sqlx::PgConnection;

use crate::{
    error::UploaderError, facts, fail_point::FailPoint as _, files::Files, metrics, objects, receipts,
    receipts::Outcome, store_upload::Stored, verify::Rejection,
};

/// Refers to an object that has the same content, if there is one.
pub(crate) async fn share(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<Option<Stored>, UploaderError> {
    let failed = || UploaderError::database("share an object", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let Some(key) = objects::lock_live(&mut transaction, &upload.sha256)
        .fail_point()
        .await
        .map_err(failed())?
    else {
        return Ok(None);
    };
    if !record_stored(files, &mut transaction, upload, &key, cause)
        .fail_point()
        .await?
    {
        return Ok(Some(Stored::KnownAlready));
    }
    transaction.commit().fail_point().await.map_err(failed())?;
    Ok(Some(announce_stored(files, upload, key)))
}

/// Makes the copy at `key` the object of its content, or yields to one that was faster; none if the copy's deletion
/// was decided meanwhile, and all has to begin anew.
pub(crate) async fn conclude(
    files: &Files,
    upload: &UploadState,
    key: &str,
    cause: CommandId,
) -> Result<Option<Stored>, UploaderError> {
    let mut is_first_attempt = true;
    let stored = loop {
        let tried = try_to_conclude(files, upload, key, cause).fail_point().await;
        match tried {
            // Another copy became live at this very moment; it is seen now.
            Err(error) if is_first_attempt && error.is_unique_violation() => is_first_attempt = false,
            tried => break tried?,
        }
    };
    match &stored {
        Some(Stored::Stored { object_key }) if object_key == key => {}
        None => {}
        // The receipt refers to another object, or to none.
        Some(_) => give_up_copy(files, upload, key).fail_point().await,
    }
    Ok(stored)
}

async fn try_to_conclude(
    files: &Files,
    upload: &UploadState,
    key: &str,
    cause: CommandId,
) -> Result<Option<Stored>, UploaderError> {
    let failed = || UploaderError::database("conclude the copy", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let winner = objects::lock_live(&mut transaction, &upload.sha256)
        .fail_point()
        .await
        .map_err(failed())?;
    let referred = match winner {
        Some(winner) => winner,
        None if objects::make_live(&mut transaction, key)
            .fail_point()
            .await
            .map_err(failed())? =>
        {
            key.to_owned()
        }
        None => return Ok(None),
    };
    if !record_stored(files, &mut transaction, upload, &referred, cause)
        .fail_point()
        .await?
    {
        // Rolled back: the copy is not made live.
        return Ok(Some(Stored::KnownAlready));
    }
    transaction.commit().fail_point().await.map_err(failed())?;
    Ok(Some(announce_stored(files, upload, referred)))
}

/// Deletes an attempt's own copy that nobody refers to. The outcome is on record, so a fault is left to the sweep.
///
/// Only a row at `copying` is given up. One instance that was stopped and its successor may have copied to the same
/// key for the same upload: where the other one made it live, it is not this one's to delete.
async fn give_up_copy(files: &Files, upload: &UploadState, key: &str) {
    let given_up = async {
        let failed = || UploaderError::database("give up a copy", upload.id);
        let mut connection = files.pool.acquire().fail_point().await.map_err(failed())?;
        let is_ours = objects::discard_copy(&mut connection, key)
            .fail_point()
            .await
            .map_err(failed())?;
        drop(connection);
        if is_ours {
            delete_object(files, upload, key).fail_point().await?;
        }
        Ok::<_, UploaderError>(())
    };
    if let Err(error) = given_up.fail_point().await {
        tracing::warn!(upload.id = %upload.id, %error, "a copy that is not needed is left to the sweep");
    }
}

/// Carries out a deletion that was decided, outside of any transaction.
pub(crate) async fn delete_object(
    files: &Files,
    upload: &UploadState,
    key: &str,
) -> Result<(), UploaderError> {
    let deleted = files.store.delete(&files.bucket, key).fail_point().await;
    deleted.map_err(UploaderError::store(upload.id))?;
    let failed = || UploaderError::database("confirm a deletion", upload.id);
    let mut connection = files.pool.acquire().fail_point().await.map_err(failed())?;
    objects::mark_deleted(&mut connection, key)
        .fail_point()
        .await
        .map_err(failed())
}

/// Receipt and fact, in the caller's transaction. False where a receipt is there already and stands: a cancellation
/// came first, or this is a repeat.
async fn record_stored(
    files: &Files,
    connection: &mut PgConnection,
    upload: &UploadState,
    key: &str,
    cause: CommandId,
) -> Result<bool, UploaderError> {
    let inserted = receipts::insert(connection, upload, Outcome::Stored, Some(key), None)
        .fail_point()
        .await;
    if !inserted.map_err(UploaderError::database("insert the receipt", upload.id))? {
        return Ok(false);
    }
    let file = FileState {
        upload_id: upload.id,
        item_id: upload.item_id,
        outcome: FileOutcome::Stored,
        object_key: Some(key.to_owned()),
        size_bytes: Some(upload.size_bytes),
        sha256: Some(upload.sha256.clone()),
        reason: None,
        detail: None,
        version: 1,
    };
    facts::tell(files, connection, EventType::FileStored, file, cause)
        .fail_point()
        .await?;
    Ok(true)
}

fn announce_stored(files: &Files, upload: &UploadState, object_key: String) -> Stored {
    files.doorbell.ring();
    metrics::count_file("stored", upload.size_bytes);
    Stored::Stored { object_key }
}

/// Puts on record that the file is not accepted.
pub(crate) async fn reject(
    files: &Files,
    upload: &UploadState,
    rejection: Rejection,
    cause: CommandId,
) -> Result<Stored, UploaderError> {
    let failed = || UploaderError::database("record the rejection", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let reason = rejection.reason.as_str();
    let inserted = receipts::insert(&mut transaction, upload, Outcome::Rejected, None, Some(reason))
        .fail_point()
        .await;
    if !inserted.map_err(failed())? {
        return Ok(Stored::KnownAlready);
    }
    let file = FileState {
        upload_id: upload.id,
        item_id: upload.item_id,
        outcome: FileOutcome::Rejected,
        object_key: None,
        size_bytes: rejection.found_bytes,
        sha256: rejection.found_sha256.map(|found| found.as_str().to_owned()),
        reason: Some(reason.to_owned()),
        detail: Some(rejection.detail),
        version: 1,
    };
    facts::tell(files, &mut transaction, EventType::FileRejected, file, cause)
        .fail_point()
        .await?;
    transaction.commit().fail_point().await.map_err(failed())?;
    files.doorbell.ring();
    metrics::count_file("rejected", 0);
    Ok(Stored::Rejected)
}
