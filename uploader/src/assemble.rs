//! A file that was sent in parts is made one object in staging, which is then verified like any other.

use depot_domain::{PartPlan, PartsAmiss, RejectReason, SizeBytes};
use depot_object_store::{Completion, Part, StoreError};
use depot_schemas::{MultipartState, UploadState};

use crate::{error::UploaderError, fail_point::FailPoint as _, files::Files, verify::Rejection};

/// Parts that change while they are counted are counted again, this often in one attempt.
const COUNTS: u32 = 3;
/// Missing parts that are named to the person who uploaded.
const NAMED: usize = 10;

/// What is to be done with a file that was sent in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assembled {
    /// What lies in staging now, if anything, is what there is.
    Done,
    Rejected(Rejection),
}

/// Completes the upload's multipart upload, unless an object lies in staging already: made of the parts by an attempt
/// that was cut off, or sent whole by way of the API. May be dropped at any point, and begun again.
///
/// # Errors
/// The store is away or refuses; nothing is known of the file.
pub(crate) async fn assemble(files: &Files, upload: &UploadState) -> Result<Assembled, UploaderError> {
    let Some(multipart) = &upload.multipart else {
        return Ok(Assembled::Done);
    };
    let failed = || UploaderError::store(upload.id);
    let key = upload.id.to_string();
    match files.store.head(&files.staging, &key).fail_point().await {
        Ok(_) => return Ok(Assembled::Done),
        Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(failed()(error)),
    }
    for _ in 0..COUNTS {
        let listing = files.store.parts(&files.staging, &key, &multipart.id);
        let parts = match listing.fail_point().await {
            // Completed by another attempt since, or dropped: verifying tells.
            Err(StoreError::NotFound(_)) => return Ok(Assembled::Done),
            listed => listed.map_err(failed())?,
        };
        let parts = match planned(upload, multipart, parts) {
            Ok(parts) => parts,
            Err(rejection) => return Ok(Assembled::Rejected(rejection)),
        };
        let completing = files
            .store
            .complete_multipart(&files.staging, &key, &multipart.id, &parts);
        match completing.fail_point().await.map_err(failed())? {
            Completion::Completed | Completion::NoSuchUpload => return Ok(Assembled::Done),
            // One of them was sent anew since it was counted.
            Completion::PartsRefused { code } => {
                tracing::info!(upload.id = %upload.id, code, "the parts are counted again");
            }
        }
    }
    Ok(Assembled::Rejected(refused(upload.size_bytes)))
}

/// Drops whatever parts there are, and what would take more.
pub(crate) async fn drop_parts(files: &Files, upload: &UploadState) -> Result<(), UploaderError> {
    let Some(multipart) = &upload.multipart else {
        return Ok(());
    };
    let key = upload.id.to_string();
    let aborted = files
        .store
        .abort_multipart(&files.staging, &key, &multipart.id)
        .fail_point()
        .await;
    aborted.map_err(UploaderError::store(upload.id))
}

/// The parts of the plan, if all of them are there and have their size.
fn planned(
    upload: &UploadState,
    multipart: &MultipartState,
    parts: Vec<Part>,
) -> Result<Vec<Part>, Rejection> {
    let Ok(size) = SizeBytes::parse(upload.size_bytes) else {
        return Err(refused(upload.size_bytes));
    };
    let plan = PartPlan::new(size, multipart.part_size_bytes);
    let arrived: Vec<_> = parts.iter().map(|part| (part.number, part.size_bytes)).collect();
    let amiss = plan.compare(&arrived);
    if !amiss.is_nothing() {
        return Err(rejection(&plan, &amiss));
    }
    let as_planned = |part: &Part| plan.size_of(part.number) == Some(part.size_bytes);
    Ok(parts.into_iter().filter(as_planned).collect())
}

fn rejection(plan: &PartPlan, amiss: &PartsAmiss) -> Rejection {
    let (reason, what, numbers) = if amiss.missing.is_empty() {
        (RejectReason::SizeMismatch, "have another size", &amiss.missized)
    } else {
        (RejectReason::PartsMissing, "have not arrived", &amiss.missing)
    };
    let named: Vec<_> = numbers.iter().take(NAMED).map(i32::to_string).collect();
    let more = if numbers.len() > NAMED { ", …" } else { "" };
    Rejection {
        reason,
        found_bytes: None,
        found_sha256: None,
        detail: format!(
            "{} of {} parts {what} ({}{more}): ask which have arrived before completing",
            numbers.len(),
            plan.count(),
            named.join(", ")
        ),
    }
}

/// The store does not make one object of parts that are all there: one is smaller than it takes.
fn refused(announced_bytes: i64) -> Rejection {
    Rejection {
        reason: RejectReason::SizeMismatch,
        found_bytes: None,
        found_sha256: None,
        detail: format!("the store refuses the parts of the {announced_bytes} bytes that were announced"),
    }
}
