//! What really lies in staging, compared with what was announced.

use depot_domain::{RejectReason, Sha256};
use depot_object_store::{Digest, StoreError};
use depot_schemas::UploadState;

use crate::{error::UploaderError, files::Files};

/// What was found in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// As announced: the object that has this ETag, and no other.
    AsAnnounced { etag: String, digest: Digest },
    Rejected {
        reason: RejectReason,
        found: Option<Digest>,
        detail: String,
    },
}

/// Reads the staged object to its end, in flat memory. The bytes are always read: knowing a hash gives nobody a file.
pub async fn verify(files: &Files, upload: &UploadState) -> Result<Verified, UploaderError> {
    let failed = || UploaderError::store(upload.id);
    let reading = match files
        .store
        .open(&files.staging, &upload.id.to_string(), None)
        .await
    {
        Err(StoreError::NotFound(_)) => {
            let detail = "nothing was uploaded: send the file to the URL before completing".to_owned();
            return Ok(Verified::Rejected {
                reason: RejectReason::ContentMissing,
                found: None,
                detail,
            });
        }
        opened => opened.map_err(failed())?,
    };
    if reading.size_bytes != upload.size_bytes {
        let detail = format!(
            "{} bytes were uploaded, {} announced",
            reading.size_bytes, upload.size_bytes
        );
        return Ok(Verified::Rejected {
            reason: RejectReason::SizeMismatch,
            found: None,
            detail,
        });
    }
    let etag = reading.etag.clone();
    let digest = reading.digest().await.map_err(failed())?;
    if digest.size_bytes != upload.size_bytes {
        // The connection ended early without an error: nothing is known of the file.
        let source = format!("{} of {} bytes were read", digest.size_bytes, upload.size_bytes);
        return Err(failed()(StoreError::interrupted(
            &files.staging,
            &upload.id.to_string(),
            source,
        )));
    }
    let found = Sha256::from_digest(digest.sha256);
    if found.as_str() != upload.sha256 {
        let detail = format!(
            "the uploaded file has the SHA-256 {found}, {} was announced",
            upload.sha256
        );
        return Ok(Verified::Rejected {
            reason: RejectReason::ChecksumMismatch,
            found: Some(digest),
            detail,
        });
    }
    Ok(Verified::AsAnnounced { etag, digest })
}
