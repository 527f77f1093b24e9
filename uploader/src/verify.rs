//! What really lies in staging, compared with what was announced.

use depot_domain::{RejectReason, Sha256};
use depot_object_store::{Digest, StoreError};
use depot_schemas::UploadState;

use crate::{
    content_type::Mismatch, error::UploaderError, fail_point::FailPoint as _, files::Files, inspect::inspect,
};

/// What was found in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// As announced: the object that has this ETag, and no other.
    AsAnnounced {
        etag: String,
        digest: Digest,
    },
    Rejected(Rejection),
}

/// Why a file is not accepted, and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: RejectReason,
    /// None where nothing lay there.
    pub found_bytes: Option<i64>,
    /// None where it was not computed.
    pub found_sha256: Option<Sha256>,
    /// For the person who uploaded.
    pub detail: String,
}

/// Reads the staged object to its end, in flat memory. The bytes are always read: knowing a hash gives nobody a file.
///
/// # Errors
/// The store is away or refuses, or the connection ended early: nothing is known of the file.
pub async fn verify(files: &Files, upload: &UploadState) -> Result<Verified, UploaderError> {
    let failed = || UploaderError::store(upload.id);
    let staged = upload.id.to_string();
    let reading = match files.store.open(&files.staging, &staged, None).fail_point().await {
        Err(StoreError::NotFound(_)) => return Ok(missing()),
        opened => opened.map_err(failed())?,
    };
    if reading.size_bytes != upload.size_bytes {
        return Ok(of_another_size(reading.size_bytes, upload.size_bytes));
    }
    let etag = reading.etag.clone();
    let inspected = inspect(reading).fail_point().await.map_err(failed())?;
    let digest = inspected.digest;
    if digest.size_bytes != upload.size_bytes {
        // The connection ended early without an error.
        let detail = format!("{} of {} bytes were read", digest.size_bytes, upload.size_bytes);
        return Err(failed()(StoreError::interrupted(&files.staging, &staged, detail)));
    }
    let found = Sha256::from_digest(digest.sha256);
    if found.as_str() != upload.sha256 {
        return Ok(of_another_content(found, upload));
    }
    if let Err(mismatch) = inspected.compare_type(&upload.content_type) {
        return Ok(of_another_type(mismatch, found, upload));
    }
    Ok(Verified::AsAnnounced { etag, digest })
}

fn missing() -> Verified {
    Verified::Rejected(Rejection {
        reason: RejectReason::ContentMissing,
        found_bytes: None,
        found_sha256: None,
        detail: "nothing was uploaded: send the file to the URL before completing".to_owned(),
    })
}

fn of_another_size(found_bytes: i64, announced_bytes: i64) -> Verified {
    Verified::Rejected(Rejection {
        reason: RejectReason::SizeMismatch,
        found_bytes: Some(found_bytes),
        found_sha256: None,
        detail: format!("{found_bytes} bytes were uploaded, {announced_bytes} announced"),
    })
}

fn of_another_content(found: Sha256, upload: &UploadState) -> Verified {
    Verified::Rejected(Rejection {
        reason: RejectReason::ChecksumMismatch,
        found_bytes: Some(upload.size_bytes),
        detail: format!(
            "the uploaded file has the SHA-256 {found}, {} was announced",
            upload.sha256
        ),
        found_sha256: Some(found),
    })
}

fn of_another_type(mismatch: Mismatch, found: Sha256, upload: &UploadState) -> Verified {
    Verified::Rejected(Rejection {
        reason: RejectReason::ContentTypeMismatch,
        found_bytes: Some(upload.size_bytes),
        found_sha256: Some(found),
        detail: format!(
            "the file's bytes are {}, {} was announced: request the upload with the type that it is",
            mismatch.found, upload.content_type
        ),
    })
}
