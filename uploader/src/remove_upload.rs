//! An upload was cancelled, or its file is to go. Whichever comes first, this or storing, the outcome is the same: no
//! file, and a receipt that keeps it so.
//!
//! `FileRemoved` says that nothing lies in the store for this upload any more, and nothing will. Where the upload was
//! the last to refer to an object, of its file or of its thumbnail, it is told after the store has confirmed each such
//! deletion; where others refer to both, when the references are gone.

use depot_domain::CommandId;
use depot_sabotage::Break;
use depot_schemas::{EventType, FileOutcome, FileState, UploadState};
use sqlx::PgConnection;

use crate::{
    answer_again::answer_again,
    conclude::delete_object,
    error::UploaderError,
    facts,
    fail_point::FailPoint as _,
    files::Files,
    metrics, objects, receipts,
    receipts::{Outcome, Receipt, References},
    store_upload::clear_staging,
};

/// What is left to do once the receipt says that the file goes.
enum Decided {
    /// The fact is told, in this transaction.
    Told,
    /// The fact was told before.
    ToldBefore,
    /// Nobody refers to these objects any more. The fact is told when the store has deleted them.
    Delete { object_keys: Vec<String> },
}

/// Lets go of an upload's file, and tells that it is gone. May be dropped at any point, and begun again.
///
/// # Errors
/// A dependency is away; the same call again goes on.
pub async fn remove_upload(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<(), UploaderError> {
    let deciding = files.in_transaction(decide(files, upload, cause));
    match deciding.fail_point().await? {
        Decided::Delete { object_keys } => {
            for object_key in &object_keys {
                delete_object(files, upload, object_key).fail_point().await?;
            }
            let finishing = files.in_transaction(finish(files, upload, cause));
            finishing.fail_point().await?;
        }
        Decided::ToldBefore => {
            let answering = files.in_transaction(answer_again(files, upload, cause));
            answering.fail_point().await?;
        }
        Decided::Told => {}
    }
    clear_staging(files, upload).fail_point().await
}

async fn decide(files: &Files, upload: &UploadState, cause: CommandId) -> Result<Decided, UploaderError> {
    let failed = || UploaderError::database("let go of the file", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let is_first = receipts::insert(
        &mut transaction,
        upload,
        Outcome::Cancelled,
        References::default(),
        None,
    )
    .fail_point()
    .await;
    let decided = if is_first.map_err(failed())? {
        tell_removed(files, &mut transaction, upload, 1, cause)
            .fail_point()
            .await?;
        Decided::Told
    } else {
        let receipt = receipts::lock(&mut transaction, upload.id).fail_point().await;
        let receipt = receipt.map_err(failed())?;
        let_go(files, &mut transaction, upload, receipt, cause)
            .fail_point()
            .await?
    };
    transaction.commit().fail_point().await.map_err(failed())?;
    files.ring(upload);
    Ok(decided)
}

/// What follows from the receipt that is there, which is locked.
async fn let_go(
    files: &Files,
    connection: &mut PgConnection,
    upload: &UploadState,
    receipt: Receipt,
    cause: CommandId,
) -> Result<Decided, UploaderError> {
    let failed = || UploaderError::database("let go of the file", upload.id);
    match receipt {
        Receipt::Concluded(Outcome::Removed | Outcome::Cancelled) => return Ok(Decided::ToldBefore),
        Receipt::Concluded(_) => {}
        Receipt::Referring { object_keys } => {
            receipts::mark_removing(connection, upload.id)
                .fail_point()
                .await
                .map_err(failed())?;
            let mut last = Vec::new();
            for object_key in object_keys {
                let is_last = objects::release(connection, &object_key, Some(upload.id))
                    .fail_point()
                    .await;
                if is_last.map_err(failed())? || depot_sabotage::has(Break::Dangling) {
                    last.push(object_key);
                }
            }
            if !last.is_empty() {
                return Ok(Decided::Delete { object_keys: last });
            }
        }
    }
    mark_and_tell(files, connection, upload, cause)
        .fail_point()
        .await?;
    Ok(Decided::Told)
}

/// The object is gone: the receipt says so, and so does the fact.
async fn finish(files: &Files, upload: &UploadState, cause: CommandId) -> Result<(), UploaderError> {
    let failed = || UploaderError::database("record the removal", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let receipt = receipts::lock(&mut transaction, upload.id)
        .fail_point()
        .await
        .map_err(failed())?;
    // Another instance that was given the same partition may have come to this point first.
    if !matches!(receipt, Receipt::Referring { .. }) {
        return Ok(());
    }
    mark_and_tell(files, &mut transaction, upload, cause)
        .fail_point()
        .await?;
    transaction.commit().fail_point().await.map_err(failed())?;
    files.ring(upload);
    Ok(())
}

async fn mark_and_tell(
    files: &Files,
    connection: &mut PgConnection,
    upload: &UploadState,
    cause: CommandId,
) -> Result<(), UploaderError> {
    let version = receipts::mark_removed(connection, upload).fail_point().await;
    let version = version.map_err(UploaderError::database("record the removal", upload.id))?;
    tell_removed(files, connection, upload, version, cause)
        .fail_point()
        .await
}

async fn tell_removed(
    files: &Files,
    connection: &mut PgConnection,
    upload: &UploadState,
    version: i64,
    cause: CommandId,
) -> Result<(), UploaderError> {
    let file = FileState {
        upload_id: upload.id,
        item_id: upload.item_id,
        outcome: FileOutcome::Removed,
        object_key: None,
        size_bytes: None,
        sha256: None,
        reason: None,
        detail: None,
        version,
        thumbnail: None,
    };
    facts::tell(files, connection, EventType::FileRemoved, file, cause)
        .fail_point()
        .await?;
    metrics::count_file("removed", 0);
    Ok(())
}
