//! What a scanner says of a staged object that was verified, before anything refers to it.

use depot_domain::RejectReason;
use depot_object_store::{Digest, Hasher, StoreError};
use depot_schemas::UploadState;

use crate::{
    clamd::Verdict,
    error::UploaderError,
    fail_point::FailPoint as _,
    files::Files,
    scanner::{ClamdScanner, Scanner},
    verify::Rejection,
};

/// How scanning ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// Nothing is said against it, or nobody is asked.
    Passed,
    Rejected(Rejection),
    /// What was scanned is not what was verified: verify again.
    SourceChanged,
}

/// Has the object scanned that was verified, in flat memory. Its bytes are hashed on their way: an ETag is no checksum,
/// and a verdict is about what was sent. May be dropped at any point, and begun again.
///
/// # Errors
/// The store or the scanner is away, or the scanner gives no verdict: the file is not stored.
pub(crate) async fn scan(
    files: &Files,
    upload: &UploadState,
    etag: &str,
    verified: Digest,
) -> Result<Scanned, UploaderError> {
    let Scanner::Clamd(ClamdScanner(clamd)) = &files.scanner else {
        return Ok(Scanned::Passed);
    };
    let failed = || UploaderError::scanner(upload.id);
    let staged = upload.id.to_string();
    let opening = files.store.open(&files.staging, &staged, Some(etag));
    let mut reading = match opening.fail_point().await {
        Err(StoreError::NotFound(_) | StoreError::PreconditionFailed(_)) => {
            return Ok(Scanned::SourceChanged);
        }
        opened => opened.map_err(UploaderError::store(upload.id))?,
    };
    let mut session = clamd.begin().fail_point().await.map_err(failed())?;
    let mut hasher = Hasher::default();
    loop {
        let piece = reading.next().fail_point().await;
        let Some(piece) = piece.map_err(UploaderError::store(upload.id))? else {
            break;
        };
        hasher.update(&piece);
        session.send(&piece).fail_point().await.map_err(failed())?;
    }
    let verdict = session.verdict().fail_point().await.map_err(failed())?;
    if hasher.finish() != verified {
        return Ok(Scanned::SourceChanged);
    }
    Ok(match verdict {
        Verdict::Clean => Scanned::Passed,
        Verdict::Found { name } => Scanned::Rejected(malware(upload, &name)),
    })
}

fn malware(upload: &UploadState, name: &str) -> Rejection {
    Rejection {
        reason: RejectReason::Malware,
        found_bytes: Some(upload.size_bytes),
        // It is the one announced.
        found_sha256: depot_domain::Sha256::parse(upload.sha256.clone()).ok(),
        detail: format!("the scanner finds {name} in the file"),
    }
}
