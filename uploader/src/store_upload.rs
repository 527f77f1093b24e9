//! `UploadReceived`: verify, copy under a key of its own, conclude. Killed at any line and begun again, the outcome
//! is the same, once: the receipt decides.

use depot_consumer::Context;
use depot_domain::{CommandId, Sha256};
use depot_object_store::{CopyConditions, CopyOutcome, Digest};
use depot_schemas::{EventType, FileOutcome, FileState, UploadState};
use sqlx::PgConnection;

use crate::{
    error::UploaderError,
    facts,
    files::Files,
    metrics, object_key, objects, receipts,
    receipts::Outcome,
    verify::{Verified, verify},
};

/// A staged object that is replaced while it is verified is verified again, this often in one attempt.
const VERIFICATIONS: u32 = 3;

/// How storing an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    Stored {
        object_key: String,
    },
    Rejected,
    /// There was a receipt already; it stands.
    KnownAlready,
}

/// Stores one upload, or says why not.
///
/// # Errors
/// A dependency is away; nothing is lost, and the same call again goes on.
pub async fn store_upload(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
    context: &Context,
) -> Result<Stored, UploaderError> {
    let stored = tokio::select! {
        () = context.cancelled().cancelled() => return Err(UploaderError::Cancelled { upload: upload.id }),
        stored = bring_about(files, upload, cause) => stored?,
    };
    // The outcome is on record: what lies in staging is of no use. What stays behind is the sweep's.
    if let Err(error) = files.store.delete(&files.staging, &upload.id.to_string()).await {
        tracing::warn!(upload.id = %upload.id, %error, "the staged object is left to the sweep");
    }
    Ok(stored)
}

async fn bring_about(files: &Files, upload: &UploadState, cause: CommandId) -> Result<Stored, UploaderError> {
    let what = "read the receipt";
    let mut connection = files
        .pool
        .acquire()
        .await
        .map_err(UploaderError::database(what, upload.id))?;
    let known = receipts::exists(&mut connection, upload.id).await;
    if known.map_err(UploaderError::database(what, upload.id))? {
        return Ok(Stored::KnownAlready);
    }
    drop(connection);
    for _ in 0..VERIFICATIONS {
        let (etag, digest) = match verify(files, upload).await? {
            Verified::AsAnnounced { etag, digest } => (etag, digest),
            rejected @ Verified::Rejected { .. } => return reject(files, upload, rejected, cause).await,
        };
        if let Some(stored) = share(files, upload, cause).await? {
            return Ok(stored);
        }
        let key = claim(files, upload).await?;
        if copy(files, upload, &etag, digest, &key).await? == CopyOutcome::SourceChanged {
            continue;
        }
        if let Some(stored) = conclude(files, upload, &key, cause).await? {
            return Ok(stored);
        }
    }
    Err(UploaderError::Restless { upload: upload.id })
}

/// Refers to an object that has the same content, if there is one.
async fn share(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<Option<Stored>, UploaderError> {
    let failed = || UploaderError::database("share an object", upload.id);
    let mut transaction = files.pool.begin().await.map_err(failed())?;
    let Some(key) = objects::lock_live(&mut transaction, &upload.sha256)
        .await
        .map_err(failed())?
    else {
        return Ok(None);
    };
    let stored = record_stored(files, &mut transaction, upload, &key, cause).await?;
    transaction.commit().await.map_err(failed())?;
    files.doorbell.ring();
    Ok(Some(stored))
}

/// Claims a key to copy to, and commits that before the first byte: what a crash leaves behind is on record.
async fn claim(files: &Files, upload: &UploadState) -> Result<String, UploaderError> {
    let failed = || UploaderError::database("claim a key", upload.id);
    let mut connection = files.pool.acquire().await.map_err(failed())?;
    let mut attempt = 0;
    loop {
        let key = object_key::object_key(&upload.sha256, upload.id, attempt);
        let claimed = objects::claim(&mut connection, &key, &upload.sha256, upload.size_bytes).await;
        if claimed.map_err(failed())? {
            return Ok(key);
        }
        // Its deletion was decided: that key is never used again.
        attempt += 1;
    }
}

async fn copy(
    files: &Files,
    upload: &UploadState,
    etag: &str,
    digest: Digest,
    key: &str,
) -> Result<CopyOutcome, UploaderError> {
    let staged = upload.id.to_string();
    let (from, to) = (
        (files.staging.as_str(), staged.as_str()),
        (files.bucket.as_str(), key),
    );
    let copied = match files.copy_conditions {
        CopyConditions::Honoured => {
            files
                .store
                .copy_verified(from, etag, to, &upload.content_type, upload.size_bytes)
                .await
        }
        CopyConditions::Ignored => {
            files
                .store
                .copy_through(from, to, &upload.content_type, digest)
                .await
        }
    };
    copied.map_err(UploaderError::store(upload.id))
}

/// Makes the copy the object of its content, or yields to one that was faster; none if the copy's deletion was
/// decided meanwhile, and all has to begin anew.
async fn conclude(
    files: &Files,
    upload: &UploadState,
    key: &str,
    cause: CommandId,
) -> Result<Option<Stored>, UploaderError> {
    let failed = || UploaderError::database("conclude the copy", upload.id);
    let mut transaction = files.pool.begin().await.map_err(failed())?;
    let winner = objects::lock_live(&mut transaction, &upload.sha256)
        .await
        .map_err(failed())?;
    let is_copy_kept = match &winner {
        Some(_) => false,
        None => match objects::make_live(&mut transaction, key).await {
            Ok(true) => true,
            Ok(false) => return Ok(None),
            Err(error) if is_unique_violation(&error) => {
                // Now that it is committed, it is seen.
                drop(transaction);
                return Box::pin(conclude(files, upload, key, cause)).await;
            }
            Err(error) => return Err(failed()(error)),
        },
    };
    let referred = winner.as_deref().unwrap_or(key);
    let stored = record_stored(files, &mut transaction, upload, referred, cause).await?;
    let is_copy_kept = is_copy_kept && stored != Stored::KnownAlready;
    if !is_copy_kept {
        // Made live above or still copying: nobody has ever referred to it.
        objects::discard_own(&mut transaction, key)
            .await
            .map_err(failed())?;
    }
    transaction.commit().await.map_err(failed())?;
    files.doorbell.ring();
    if !is_copy_kept {
        delete_object(files, upload, key).await?;
    }
    Ok(Some(stored))
}

/// Another copy of the same content became live at the same moment.
fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}

/// The decided deletion is carried out outside of any transaction.
pub(crate) async fn delete_object(
    files: &Files,
    upload: &UploadState,
    key: &str,
) -> Result<(), UploaderError> {
    files
        .store
        .delete(&files.bucket, key)
        .await
        .map_err(UploaderError::store(upload.id))?;
    let failed = || UploaderError::database("confirm a deletion", upload.id);
    let mut connection = files.pool.acquire().await.map_err(failed())?;
    objects::mark_deleted(&mut connection, key)
        .await
        .map_err(failed())
}

/// Receipt and fact, in the caller's transaction. A receipt that is there already stands: a cancellation came first,
/// or this is a repeat.
async fn record_stored(
    files: &Files,
    connection: &mut PgConnection,
    upload: &UploadState,
    key: &str,
    cause: CommandId,
) -> Result<Stored, UploaderError> {
    let inserted = receipts::insert(
        connection,
        upload.id,
        upload.item_id,
        Outcome::Stored,
        Some(key),
        None,
    )
    .await;
    if !inserted.map_err(UploaderError::database("insert the receipt", upload.id))? {
        return Ok(Stored::KnownAlready);
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
    facts::tell(files, connection, EventType::FileStored, file, cause).await?;
    metrics::count_file("stored", upload.size_bytes);
    Ok(Stored::Stored {
        object_key: key.to_owned(),
    })
}

async fn reject(
    files: &Files,
    upload: &UploadState,
    rejected: Verified,
    cause: CommandId,
) -> Result<Stored, UploaderError> {
    let Verified::Rejected {
        reason,
        found,
        detail,
    } = rejected
    else {
        return Ok(Stored::KnownAlready);
    };
    let failed = || UploaderError::database("record the rejection", upload.id);
    let mut transaction = files.pool.begin().await.map_err(failed())?;
    let word = reason.as_str();
    let inserted = receipts::insert(
        &mut transaction,
        upload.id,
        upload.item_id,
        Outcome::Rejected,
        None,
        Some(word),
    )
    .await;
    if !inserted.map_err(failed())? {
        return Ok(Stored::KnownAlready);
    }
    let file = FileState {
        upload_id: upload.id,
        item_id: upload.item_id,
        outcome: FileOutcome::Rejected,
        object_key: None,
        size_bytes: found.map(|digest| digest.size_bytes),
        sha256: found.map(|digest| Sha256::from_digest(digest.sha256).as_str().to_owned()),
        reason: Some(word.to_owned()),
        detail: Some(detail),
        version: 1,
    };
    facts::tell(files, &mut transaction, EventType::FileRejected, file, cause).await?;
    transaction.commit().await.map_err(failed())?;
    files.doorbell.ring();
    metrics::count_file("rejected", 0);
    Ok(Stored::Rejected)
}
