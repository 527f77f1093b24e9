use depot_domain::{Upload, UploadDecision, UploadId};
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{Actor, CommandError, Precondition, Refusal, UnitOfWork, UploadAnswer, UseCase};
use crate::{
    saga::{UPLOAD_SAGA, step},
    store,
};

/// Says that the bytes are there: from now on the upload does not expire, and the uploader verifies and stores them.
#[derive(Debug, Clone)]
pub struct CompleteUpload {
    pub actor: Actor,
    pub id: UploadId,
    pub precondition: Precondition,
}

impl UseCase for CompleteUpload {
    type Answer = UploadAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<UploadAnswer, CommandError> {
        let upload = lock(unit, &self.actor, self.id, &self.precondition).await?;
        let (from, version) = (upload.version, unit.token(upload.version));
        match upload
            .complete(unit.now())
            .map_err(|error| Refusal::by_upload(error, version))?
        {
            UploadDecision::Unchanged(upload) => Ok(UploadAnswer { upload, version }),
            UploadDecision::Changed(upload) => {
                store::uploads::update(unit.conn(), &upload, from).await?;
                depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, self.id.0, step::AWAITING_FILE).await?;
                let actor = self.actor.subject.as_str();
                unit.record_upload(EventType::UploadReceived, &upload, &["status"], actor);
                Ok(UploadAnswer {
                    version: unit.token(upload.version),
                    upload,
                })
            }
        }
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        authorize(conn, &self.actor, self.id).await
    }
}

/// Locks an upload that the actor may change, at a version that is meant.
pub(super) async fn lock(
    unit: &mut UnitOfWork,
    actor: &Actor,
    id: UploadId,
    precondition: &Precondition,
) -> Result<Upload, CommandError> {
    let upload = store::uploads::lock(unit.conn(), id)
        .await?
        .ok_or(Refusal::UploadNotFound(id))?;
    actor.require_owner(&upload.owner)?;
    precondition.check(unit.token(upload.version))?;
    Ok(upload)
}

/// Whether the actor may change the upload; one that is not there forbids nothing.
pub(super) async fn authorize(
    conn: &mut PgConnection,
    actor: &Actor,
    id: UploadId,
) -> Result<(), CommandError> {
    match store::uploads::belongs(conn, id).await? {
        Some(belongs) => actor.require_owner(&belongs.owner),
        None => Ok(()),
    }
}
