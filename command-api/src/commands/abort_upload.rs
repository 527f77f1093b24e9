use depot_domain::{CancelReason, UploadDecision, UploadId};
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{Actor, CommandError, Precondition, Refusal, UnitOfWork, UploadAnswer, UseCase, complete_upload};
use crate::{
    saga::{UPLOAD_SAGA, quota, step},
    store,
};

/// Gives up an open upload and releases its quota. Whatever was sent, or still arrives, is not stored.
#[derive(Debug, Clone)]
pub struct AbortUpload {
    pub actor: Actor,
    pub id: UploadId,
    pub precondition: Precondition,
}

impl UseCase for AbortUpload {
    type Answer = UploadAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<UploadAnswer, CommandError> {
        let belongs = store::uploads::belongs(unit.conn(), self.id).await?;
        let belongs = belongs.ok_or(Refusal::UploadNotFound(self.id))?;
        self.actor.require_owner(&belongs.owner)?;
        let account = quota::lock(unit, &belongs.owner).await?;
        let upload = complete_upload::lock(unit, &self.actor, self.id, &self.precondition).await?;
        let (from, version) = (upload.version, unit.token(upload.version));
        let decision = upload.abort(CancelReason::ByOwner, unit.now());
        match decision.map_err(|error| Refusal::by_upload(error, version))? {
            UploadDecision::Unchanged(upload) => Ok(UploadAnswer { upload, version }),
            UploadDecision::Changed(upload) => {
                store::uploads::update(unit.conn(), &upload, from).await?;
                quota::release_reserved(unit, account, &upload).await?;
                depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, self.id.0, step::ABORTED).await?;
                let actor = self.actor.subject.as_str();
                unit.record_upload(EventType::UploadAborted, &upload, &["status", "reason"], actor);
                Ok(UploadAnswer {
                    version: unit.token(upload.version),
                    upload,
                })
            }
        }
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        complete_upload::authorize(conn, &self.actor, self.id).await
    }
}
