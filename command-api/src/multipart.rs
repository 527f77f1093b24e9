//! The multipart upload in staging that takes the parts of a large file. It is begun when the first part is signed, so
//! that an announcement needs no object store, and a repeated one begins nothing twice.

use depot_domain::{Upload, UploadId};

use crate::{
    commands::{Actor, CommandError, OwnUpload, Precondition, Refusal, Writer},
    staging::Staging,
    store,
};

/// Why there is no multipart upload to send parts to.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Store(#[from] depot_object_store::StoreError),
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
