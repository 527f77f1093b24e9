//! `UploadReceived`: make one object of parts, verify, scan, copy under a key of its own, conclude. Killed at any line
//! and begun again, the outcome is the same, once: the receipt decides.

use std::{future::Future, pin::Pin};

use depot_domain::CommandId;
use depot_object_store::{CopyConditions, CopyOutcome, Digest, StoreError};
use depot_schemas::UploadState;

use crate::{
    answer_again::answer_again,
    assemble::{Assembled, assemble, drop_parts},
    conclude::{conclude, reject, share},
    error::UploaderError,
    fail_point::FailPoint as _,
    files::Files,
    object_key, objects, receipts,
    scan::{Scanned, scan},
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

/// Stores one upload, or says why not. May be dropped at any point, and begun again.
///
/// # Errors
/// A dependency is away; nothing is lost, and the same call again goes on.
pub async fn store_upload(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<Stored, UploaderError> {
    let stored = bring_about(files, upload, cause).fail_point().await?;
    // The outcome is on record: what lies in staging is of no use. What stays behind is the sweep's.
    if let Err(error) = clear_staging(files, upload).fail_point().await {
        tracing::warn!(upload.id = %upload.id, %error, "the staged object is left to the sweep");
    }
    Ok(stored)
}

/// Parts first: a completion that is under way leaves an object, which then goes too.
pub(crate) async fn clear_staging(files: &Files, upload: &UploadState) -> Result<(), UploaderError> {
    drop_parts(files, upload).await?;
    let deleted = files.store.delete(&files.staging, &upload.id.to_string()).await;
    deleted.map_err(UploaderError::store(upload.id))
}

async fn bring_about(files: &Files, upload: &UploadState, cause: CommandId) -> Result<Stored, UploaderError> {
    if is_concluded(files, upload).fail_point().await? {
        answer_again(files, upload, cause).fail_point().await?;
        return Ok(Stored::KnownAlready);
    }
    if let Assembled::Rejected(rejection) = assemble(files, upload).await? {
        return reject(files, upload, rejection, cause).await;
    }
    for _ in 0..VERIFICATIONS {
        let (etag, digest) = match verify(files, upload).fail_point().await? {
            Verified::AsAnnounced { etag, digest } => (etag, digest),
            Verified::Rejected(rejection) => {
                return reject(files, upload, rejection, cause).fail_point().await;
            }
        };
        match scan(files, upload, &etag, digest).fail_point().await? {
            Scanned::Passed => {}
            Scanned::Rejected(rejection) => {
                return reject(files, upload, rejection, cause).fail_point().await;
            }
            Scanned::SourceChanged => continue,
        }
        if let Some(stored) = share(files, upload, cause).fail_point().await? {
            return Ok(stored);
        }
        let key = claim(files, upload).fail_point().await?;
        if copy(files, upload, &etag, digest, &key).fail_point().await? == CopyOutcome::SourceChanged {
            continue;
        }
        if let Some(stored) = conclude(files, upload, &key, cause).fail_point().await? {
            return Ok(stored);
        }
    }
    Err(UploaderError::Restless { upload: upload.id })
}

async fn is_concluded(files: &Files, upload: &UploadState) -> Result<bool, UploaderError> {
    let failed = || UploaderError::database("read the receipt", upload.id);
    let mut connection = files.pool.acquire().fail_point().await.map_err(failed())?;
    receipts::exists(&mut connection, upload.id)
        .fail_point()
        .await
        .map_err(failed())
}

/// Claims a key to copy to, and commits that before the first byte: what a crash leaves behind is on record.
async fn claim(files: &Files, upload: &UploadState) -> Result<String, UploaderError> {
    let failed = || UploaderError::database("claim a key", upload.id);
    let mut connection = files.pool.acquire().fail_point().await.map_err(failed())?;
    let mut attempt = 0;
    loop {
        let key = object_key::object_key(&upload.sha256, upload.id, attempt);
        let claimed = objects::claim(&mut connection, &key, &upload.sha256, upload.size_bytes)
            .fail_point()
            .await;
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
    let (store, content_type) = (&files.store, &upload.content_type);
    let copying: Pin<Box<dyn Future<Output = Result<CopyOutcome, StoreError>> + Send>> =
        match files.copy_conditions {
            CopyConditions::Honoured => {
                Box::pin(store.copy_verified(from, etag, to, content_type, upload.size_bytes))
            }
            CopyConditions::Ignored => Box::pin(store.copy_through(from, to, content_type, digest)),
        };
    let copied = copying.fail_point().await;
    copied.map_err(UploaderError::store(upload.id))
}
