//! The multipart upload in staging that takes the parts of a large file, and the requests that send them. It is begun when the
//! first part is signed, so that an announcement needs no object store, and a repeated one begins nothing twice.

use std::{ops::RangeInclusive, time::Duration};

use depot_domain::{FieldError, PartPlan, Upload, UploadId};
use depot_object_store::StoreError;
use time::OffsetDateTime;

use crate::{
    commands::{Actor, CommandError, OwnUpload, Precondition, Refusal, Writer},
    staging::{SignedPut, Staging},
    store,
};

/// The most parts that one request has signed.
const SIGNED_AT_ONCE: i32 = 100;

/// Which parts of an upload are to be signed, and for whom.
#[derive(Debug, Clone)]
pub struct AskedParts {
    pub actor: Actor,
    pub id: UploadId,
    pub precondition: Precondition,
    /// The number of the first.
    pub first: i32,
    /// How many.
    pub count: i32,
}

/// The requests that send parts.
#[derive(Debug, Clone)]
pub struct SignedParts {
    pub parts: Vec<SignedPart>,
    /// When these URLs end. Others can be had as long as the upload takes bytes.
    pub expires_at: OffsetDateTime,
}

/// The request that sends a part.
#[derive(Debug, Clone)]
pub struct SignedPart {
    /// From 1 on.
    pub number: i32,
    /// Where the part begins in the file.
    pub offset_bytes: i64,
    pub size_bytes: i64,
    pub put: SignedPut,
}

/// Why parts are not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error("{} fields of the range cannot be used", .0.len())]
    Range(Vec<FieldError>),
    #[error("a part cannot be signed")]
    Signature(#[source] StoreError),
}

impl From<CommandError> for SignError {
    fn from(error: CommandError) -> Self {
        Self::Begin(error.into())
    }
}

impl From<Refusal> for SignError {
    fn from(refusal: Refusal) -> Self {
        CommandError::from(refusal).into()
    }
}

/// Signs the requests that send some of the parts, for `lifetime` at most, and begins to take parts where that was not done.
///
/// # Errors
/// [`SignError`].
pub async fn sign(
    writer: &Writer,
    staging: &Staging,
    lifetime: Duration,
    asked: AskedParts,
) -> Result<SignedParts, SignError> {
    let AskedParts { actor, id, .. } = &asked;
    let own = OwnUpload::read(writer, actor, *id, &asked.precondition).await?;
    let plan = own.require_parts()?;
    let left = own.require_taking_bytes()?;
    let numbers = range(asked.first, asked.count, &plan).map_err(SignError::Range)?;
    let multipart_id = begun(writer, staging, actor, &own.upload).await?;
    let lifetime = lifetime.min(left);
    let mut parts = Vec::new();
    for number in numbers {
        let size_bytes = plan.size_of(number).unwrap_or_default();
        let put = staging.sign_part(*id, &multipart_id, number, size_bytes, lifetime);
        parts.push(SignedPart {
            number,
            offset_bytes: i64::from(number - 1) * plan.part_size_bytes(),
            size_bytes,
            put: put.await.map_err(SignError::Signature)?,
        });
    }
    Ok(SignedParts {
        parts,
        expires_at: own.now + lifetime,
    })
}

/// The numbers that are meant, all of them parts of the plan.
///
/// # Errors
/// What is wrong with which of the two.
pub fn range(first: i32, count: i32, plan: &PartPlan) -> Result<RangeInclusive<i32>, Vec<FieldError>> {
    let last = plan.count();
    let mut faults = Vec::new();
    if !plan.numbers().contains(&first) {
        let detail = format!("is {first}, the parts are 1 to {last}");
        faults.push(FieldError::new("/first", detail));
    }
    if !(1..=SIGNED_AT_ONCE).contains(&count) {
        let detail = format!("is {count}, 1 to {SIGNED_AT_ONCE} are signed at once");
        faults.push(FieldError::new("/count", detail));
    } else if faults.is_empty() && count > last - first + 1 {
        let detail = format!("is {count}, from {first} on there are {}", last - first + 1);
        faults.push(FieldError::new("/count", detail));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(first..=first + count - 1)
}

/// Why there is no multipart upload to send parts to.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The id of the upload's multipart upload, which is begun where there is none.
///
/// The store is called outside of any transaction: what a crash in between leaves behind has no upload that knows it,
/// and goes with the sweep.
///
/// # Errors
/// The store or the database does not answer, or the upload was ended meanwhile.
pub async fn begun(
    writer: &Writer,
    staging: &Staging,
    actor: &Actor,
    upload: &Upload,
) -> Result<String, BeginError> {
    if let Some(begun) = &upload.multipart_id {
        return Ok(begun.clone());
    }
    let (id, request) = (upload.id, &upload.request);
    let begun = staging.begin_multipart(id, request).await?;
    // On an error it may be on record all the same, so that nothing is aborted.
    match record(writer, id, &begun).await? {
        Some(recorded) if recorded == begun => Ok(begun),
        Some(recorded) => {
            give_up(staging, id, &begun).await;
            Ok(recorded)
        }
        // Whoever ended it meanwhile could not know of this multipart upload.
        None => {
            give_up(staging, id, &begun).await;
            let now = OwnUpload::read(writer, actor, id, &Precondition::None).await?;
            let (status, version) = (now.upload.status, now.version);
            Err(CommandError::from(Refusal::TakesNoBytes { id, status, version }).into())
        }
    }
}

async fn record(writer: &Writer, id: UploadId, begun: &str) -> Result<Option<String>, CommandError> {
    let mut conn = writer.connection().await?;
    Ok(store::uploads::begin_multipart(&mut conn, id, begun).await?)
}

async fn give_up(staging: &Staging, id: UploadId, begun: &str) {
    if let Err(error) = staging.abort_multipart(id, begun).await {
        tracing::warn!(upload.id = %id, %error, "a multipart upload that nobody needs is left to the sweep");
    }
}

#[cfg(test)]
mod tests {
    use depot_domain::SizeBytes;

    use super::*;

    #[test]
    fn a_range_lies_within_the_parts_and_is_bounded() {
        let plan = PartPlan::new(SizeBytes::parse(2_500).unwrap(), 10);
        let asked = |first, count| range(first, count, &plan);
        assert_eq!(asked(1, 100).unwrap(), 1..=100);
        assert_eq!(asked(250, 1).unwrap(), 250..=250);
        let cases = [
            ((0, 1), "/first"),
            ((251, 1), "/first"),
            ((1, 0), "/count"),
            ((1, 101), "/count"),
            ((250, 2), "/count"),
            ((i32::MIN, 1), "/first"),
            ((1, i32::MAX), "/count"),
        ];
        for ((first, count), pointer) in cases {
            let faults = asked(first, count).unwrap_err();
            let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer], "{first} {count}");
        }
        assert_eq!(asked(0, 0).unwrap_err().len(), 2);
    }
}
