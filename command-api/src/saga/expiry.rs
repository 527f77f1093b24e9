//! Uploads that were never completed.

use depot_domain::{CommandId, UploadDecision, UploadId};
use depot_saga::timeout::OnTimeout;
use depot_schemas::EventType;
use uuid::Uuid;

use super::{
    machine::{ACTOR, UPLOAD_SAGA, step},
    quota,
    upload_saga::{Locked, lock},
};
use crate::{
    commands::{CommandError, Writer},
    store::{self, transaction::ROW_LOCK_TIMEOUT},
};

/// Expires an upload whose deadline has passed, unless it was completed or ended before.
#[derive(Debug, Clone)]
pub struct Expiry(pub Writer);

impl OnTimeout for Expiry {
    type Error = CommandError;

    async fn timed_out(&self, saga_id: Uuid) -> Result<(), CommandError> {
        let id = UploadId(saga_id);
        let mut unit = self.0.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await?;
        let Some(belongs) = store::uploads::belongs(unit.conn(), id).await? else {
            return Ok(());
        };
        let Locked { account, upload } = lock(&mut unit, id, &belongs).await?;
        let from = upload.version;
        // Whoever had the row's lock first decides: an upload that was completed does not expire.
        if let UploadDecision::Changed(upload) = upload.expire(unit.now()) {
            store::uploads::update(unit.conn(), &upload, from).await?;
            quota::release_reserved(&mut unit, account, &upload).await?;
            depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, id.0, step::EXPIRED, None).await?;
            unit.record_upload(EventType::UploadExpired, &upload, &["status"], ACTOR);
        } else if let Some(at) = depot_saga::store::current(unit.conn(), &UPLOAD_SAGA, id.0).await? {
            depot_saga::store::advance(unit.conn(), &UPLOAD_SAGA, id.0, at.name, None).await?;
        }
        unit.commit().await
    }
}
