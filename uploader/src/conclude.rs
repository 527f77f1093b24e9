//! The outcome of an upload: receipt and fact in one transaction, with the objects that the receipt refers to locked.

use depot_domain::CommandId;
use depot_schemas::{EventType, FileOutcome, FileState, ThumbnailState, UploadState};
use sqlx::PgConnection;

use crate::{
    contents::{Contents, Referred},
    error::UploaderError,
    facts,
    fail_point::FailPoint as _,
    files::Files,
    metrics, objects, receipts,
    receipts::{Outcome, References},
    store_upload::Stored,
    verify::Rejection,
};

/// Contents of one upload that may become live at the very moment at which they are looked for.
const COLLISIONS: u32 = 2;

/// How an attempt to conclude ended.
pub(crate) enum Concluded {
    /// The outcome is on record.
    Ended(Stored),
    /// These contents have no object, and no copy was made of them: copy them, and conclude again.
    Lacking(Vec<String>),
    /// The deletion of a copy was decided meanwhile: all has to begin anew.
    GivenUp,
}

/// Refers to the objects of the upload's contents, if all of them have one: a live one, or this attempt's own copy, which
/// then becomes it. Own copies that are not needed go.
pub(crate) async fn conclude(
    files: &Files,
    upload: &UploadState,
    contents: &Contents,
    cause: CommandId,
) -> Result<Concluded, UploaderError> {
    let mut collisions = 0;
    let (concluded, referred) = loop {
        let trying = files.in_transaction(try_to_conclude(files, upload, contents, cause));
        let tried = trying.fail_point().await;
        match tried {
            // Another copy became live at this very moment; it is seen now.
            Err(error) if collisions < COLLISIONS && error.is_unique_violation() => collisions += 1,
            tried => break tried?,
        }
    };
    // Where a sweep gave one up while it was made, it may have landed behind its deletion: nothing is referred to, and all
    // of them go.
    let unneeded = match concluded {
        Concluded::Ended(_) | Concluded::GivenUp => contents.copies_but(&referred),
        Concluded::Lacking(_) => Vec::new(),
    };
    for copy in unneeded {
        give_up_copy(files, upload, &copy).fail_point().await;
    }
    Ok(concluded)
}

/// Answers what is referred to now, too; nothing where a receipt was there already.
async fn try_to_conclude(
    files: &Files,
    upload: &UploadState,
    contents: &Contents,
    cause: CommandId,
) -> Result<(Concluded, Referred), UploaderError> {
    let failed = || UploaderError::database("conclude the copy", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let (mut referred, mut lacking) = (Referred::default(), Vec::new());
    for (sha256, copy) in contents.in_order() {
        let live = objects::lock_live(&mut transaction, sha256).fail_point().await;
        match (live.map_err(failed())?, copy) {
            (Some(key), _) => referred.refer(sha256, key),
            (None, Some(copy)) => {
                let made = objects::make_live(&mut transaction, copy).fail_point().await;
                if !made.map_err(failed())? {
                    return Ok((Concluded::GivenUp, Referred::default()));
                }
                referred.refer(sha256, copy.to_owned());
            }
            (None, None) => lacking.push(sha256.to_owned()),
        }
    }
    // Each of these returns rolls back: nothing was made live.
    let Some(object_key) = referred.key_of(&upload.sha256).filter(|_| lacking.is_empty()) else {
        return Ok((Concluded::Lacking(lacking), Referred::default()));
    };
    let thumbnail = contents.thumbnail_state(&referred);
    if !record_stored(files, &mut transaction, upload, object_key, thumbnail, cause)
        .fail_point()
        .await?
    {
        return Ok((Concluded::Ended(Stored::KnownAlready), Referred::default()));
    }
    transaction.commit().fail_point().await.map_err(failed())?;
    let stored = announce_stored(files, upload, object_key.to_owned());
    Ok((Concluded::Ended(stored), referred))
}

/// Deletes an attempt's own copy that nobody refers to. Nothing waits for it, so a fault is left to the sweep.
///
/// A live one is kept. One instance that was stopped and its successor may have copied to the same key for the same upload:
/// where the other one made it live, it is not this one's to delete.
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
    let deleted = files.delete(key).fail_point().await;
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
    thumbnail: Option<ThumbnailState>,
    cause: CommandId,
) -> Result<bool, UploaderError> {
    let references = References {
        object_key: Some(key),
        thumbnail: thumbnail.as_ref(),
    };
    let inserted = receipts::insert(connection, upload, Outcome::Stored, references, None)
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
        thumbnail,
    };
    facts::tell(files, connection, EventType::FileStored, file, cause)
        .fail_point()
        .await?;
    Ok(true)
}

fn announce_stored(files: &Files, upload: &UploadState, object_key: String) -> Stored {
    files.ring(upload);
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
    let nothing = References::default();
    let inserted = receipts::insert(&mut transaction, upload, Outcome::Rejected, nothing, Some(reason))
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
        thumbnail: None,
    };
    facts::tell(files, &mut transaction, EventType::FileRejected, file, cause)
        .fail_point()
        .await?;
    transaction.commit().fail_point().await.map_err(failed())?;
    files.ring(upload);
    metrics::count_file("rejected", 0);
    Ok(Stored::Rejected)
}
