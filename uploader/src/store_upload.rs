//! `UploadReceived`: make one object of parts, verify, scan, derive a thumbnail, copy each content under a key of its
//! own, conclude. Killed at any line and begun again, the outcome is the same, once: the receipt decides.

use depot_domain::CommandId;
use depot_object_store::{CopyOutcome, Digest};
use depot_schemas::UploadState;

use crate::{
    answer_again::answer_again,
    assemble::{Assembled, assemble, drop_parts},
    conclude::{Concluded, conclude, reject},
    contents::Contents,
    derive_thumbnail::{Derived, derive_thumbnail},
    error::UploaderError,
    fail_point::FailPoint as _,
    files::Files,
    receipts,
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
    drop_parts(files, upload).fail_point().await?;
    let staged = upload.id.to_string();
    let deleted = files.store.delete(&files.staging, &staged).fail_point().await;
    deleted.map_err(UploaderError::store(upload.id))
}

async fn bring_about(files: &Files, upload: &UploadState, cause: CommandId) -> Result<Stored, UploaderError> {
    if is_concluded(files, upload).fail_point().await? {
        let answering = files.in_transaction(answer_again(files, upload, cause));
        answering.fail_point().await?;
        return Ok(Stored::KnownAlready);
    }
    if let Assembled::Rejected(rejection) = assemble(files, upload).fail_point().await? {
        let rejecting = files.in_transaction(reject(files, upload, rejection, cause));
        return rejecting.fail_point().await;
    }
    for _ in 0..VERIFICATIONS {
        let (etag, digest) = match verify(files, upload).fail_point().await? {
            Verified::AsAnnounced { etag, digest } => (etag, digest),
            Verified::Rejected(rejection) => {
                let rejecting = files.in_transaction(reject(files, upload, rejection, cause));
                return rejecting.fail_point().await;
            }
        };
        match scan(files, upload, &etag, digest).fail_point().await? {
            Scanned::Passed => {}
            Scanned::Rejected(rejection) => {
                let rejecting = files.in_transaction(reject(files, upload, rejection, cause));
                return rejecting.fail_point().await;
            }
            Scanned::SourceChanged => continue,
        }
        let thumbnail = match derive_thumbnail(files, upload, &etag, digest)
            .fail_point()
            .await?
        {
            Derived::Made(thumbnail) => Some(thumbnail),
            Derived::None => None,
            Derived::SourceChanged => continue,
        };
        let contents = Contents::of(upload, thumbnail);
        let stored = refer(files, upload, (&etag, digest), contents, cause);
        if let Some(stored) = stored.fail_point().await? {
            return Ok(stored);
        }
    }
    Err(UploaderError::Restless { upload: upload.id })
}

/// Refers to the contents that are there, or copies what lacks and then refers to it; none if what was verified or copied
/// is gone meanwhile, and all has to begin anew.
async fn refer(
    files: &Files,
    upload: &UploadState,
    verified: (&str, Digest),
    mut contents: Contents,
    cause: CommandId,
) -> Result<Option<Stored>, UploaderError> {
    loop {
        // Each content is copied once at most, so this comes to an end.
        let lacking = match conclude(files, upload, &contents, cause).fail_point().await? {
            Concluded::Ended(stored) => return Ok(Some(stored)),
            Concluded::Lacking(lacking) => lacking,
            Concluded::GivenUp => return Ok(None),
        };
        let copying = contents.copy(files, upload, verified, &lacking);
        if copying.fail_point().await? == CopyOutcome::SourceChanged {
            return Ok(None);
        }
    }
}

async fn is_concluded(files: &Files, upload: &UploadState) -> Result<bool, UploaderError> {
    let failed = || UploaderError::database("read the receipt", upload.id);
    let mut connection = files.pool.acquire().fail_point().await.map_err(failed())?;
    receipts::exists(&mut connection, upload.id)
        .fail_point()
        .await
        .map_err(failed())
}
