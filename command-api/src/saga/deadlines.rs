//! What the upload's saga does when nobody answers: an upload that was never completed expires, and what the uploader
//! was asked for is asked for again.

use depot_domain::{CommandId, Upload, UploadDecision, UploadId, UploadStatus};
use depot_saga::{
    store::Asked,
    timeout::{Due, OnTimeout},
};
use depot_schemas::EventType;

use super::{
    machine::{ACTOR, UPLOAD_SAGA, step},
    quota,
    upload_saga::{Locked, lock},
};
use crate::{
    commands::{CommandError, UnitOfWork, Writer},
    store::{self, transaction::ROW_LOCK_TIMEOUT},
};

/// Handles the passed deadlines of uploads.
#[derive(Debug, Clone)]
pub struct UploadDeadlines(pub Writer);

impl OnTimeout for UploadDeadlines {
    type Error = CommandError;

    async fn timed_out(&self, due: &Due) -> Result<(), CommandError> {
        let id = UploadId(due.saga_id);
        let mut unit = self.0.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await?;
        let Some(belongs) = store::uploads::belongs(unit.conn(), id).await? else {
            return Ok(());
        };
        let Locked { account, upload } = lock(&mut unit, id, &belongs).await?;
        let at = depot_saga::store::lock(unit.conn(), &UPLOAD_SAGA, id.0).await?;
        // Whoever had the upload's lock first decided: the deadline was another step's.
        if at.is_none_or(|at| at.name != due.step) {
            return Ok(());
        }
        match due.step.as_str() {
            step::AWAITING_BYTES => {
                let from = upload.version;
                let UploadDecision::Changed(upload) = upload.expire(unit.now()) else {
                    return Ok(());
                };
                store::uploads::update(unit.conn(), &upload, from).await?;
                quota::release_reserved(&mut unit, account, &upload).await?;
                depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, id.0, step::EXPIRED).await?;
                unit.record_upload(EventType::UploadExpired, &upload, &["status"], ACTOR);
            }
            step::AWAITING_FILE if upload.status == UploadStatus::Received => {
                ask_again(&mut unit, due, upload, EventType::UploadReceived).await?;
            }
            step::REMOVING => {
                ask_again(&mut unit, due, upload, EventType::FileRemovalRequested).await?;
            }
            _ => return Ok(()),
        }
        unit.commit().await
    }
}

/// Repeats the event that asks, in a new version of the upload: whoever has answered an earlier version answers once
/// more, and whoever has not does it now.
async fn ask_again(
    unit: &mut UnitOfWork,
    due: &Due,
    upload: Upload,
    question: EventType,
) -> Result<(), CommandError> {
    match depot_saga::store::ask_again(unit.conn(), &UPLOAD_SAGA, due).await? {
        Asked::Again => {
            let from = upload.version;
            let upload = upload.ask_again(unit.now());
            store::uploads::update(unit.conn(), &upload, from).await?;
            unit.record_upload(question, &upload, &[], ACTOR);
            tracing::warn!(
                upload.id = %upload.id, saga.step = due.step, saga.attempts = due.attempts + 1,
                "nobody has answered in time, asking again"
            );
        }
        Asked::Stuck => tracing::error!(
            upload.id = %upload.id, saga.step = due.step, saga.attempts = due.attempts,
            "nobody has answered for as long as is declared: the saga is stuck until the answer comes or it is resumed"
        ),
        Asked::NotDue => {}
    }
    Ok(())
}
