//! A question that is asked once more, in a later version of the upload: whoever asks has not had the answer. It is
//! answered with the same outcome, in a new version of the fact. A question that is only delivered again is not.

use depot_domain::CommandId;
use depot_schemas::{EventType, FileOutcome, FileState, UploadState};

use crate::{
    error::UploaderError,
    facts,
    fail_point::FailPoint as _,
    files::Files,
    receipts::{self, Answer, Outcome},
};

/// Answers again if the upload's receipt is older than the question. True if something was told.
pub(crate) async fn answer_again(
    files: &Files,
    upload: &UploadState,
    cause: CommandId,
) -> Result<bool, UploaderError> {
    let failed = || UploaderError::database("answer again", upload.id);
    let mut transaction = files.pool.begin().fail_point().await.map_err(failed())?;
    let answer = receipts::answer_again(&mut transaction, upload)
        .fail_point()
        .await;
    let Some(answer) = answer.map_err(failed())? else {
        return Ok(false);
    };
    let (event_type, file) = fact(upload, answer);
    facts::tell(files, &mut transaction, event_type, file, cause)
        .fail_point()
        .await?;
    transaction.commit().fail_point().await.map_err(failed())?;
    files.ring(upload);
    tracing::info!(upload.id = %upload.id, upload.version = upload.version, "asked again, answered again");
    Ok(true)
}

fn fact(upload: &UploadState, answer: Answer) -> (EventType, FileState) {
    let (event_type, outcome) = match answer.outcome {
        Outcome::Stored => (EventType::FileStored, FileOutcome::Stored),
        Outcome::Rejected => (EventType::FileRejected, FileOutcome::Rejected),
        Outcome::Removing | Outcome::Removed | Outcome::Cancelled => {
            (EventType::FileRemoved, FileOutcome::Removed)
        }
    };
    let is_stored = outcome == FileOutcome::Stored;
    let file = FileState {
        upload_id: upload.id,
        item_id: upload.item_id,
        outcome,
        object_key: answer.object_key,
        size_bytes: is_stored.then_some(upload.size_bytes),
        sha256: is_stored.then(|| upload.sha256.clone()),
        reason: answer.reason,
        detail: None,
        version: answer.version,
        thumbnail: answer.thumbnail,
    };
    (event_type, file)
}
