use std::time::Duration;

use depot_domain::{CommandId, PartPlan, Upload, UploadId, UploadStatus, VersionToken};
use time::OffsetDateTime;

use super::{Actor, CommandError, Precondition, Refusal, UnitOfWork, Writer};
use crate::store::{self, transaction::ROW_LOCK_TIMEOUT};

/// An upload as one who may change it finds it, without a lock: what follows from it is checked again where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnUpload {
    pub upload: Upload,
    pub version: VersionToken,
    /// The database's clock at the reading.
    pub now: OffsetDateTime,
}

impl OwnUpload {
    /// # Errors
    /// It is not there, is another one's, or has another version than is meant.
    pub async fn read(
        writer: &Writer,
        actor: &Actor,
        id: UploadId,
        precondition: &Precondition,
    ) -> Result<Self, CommandError> {
        let mut unit = writer.begin(CommandId::generate(), ROW_LOCK_TIMEOUT).await?;
        let own = find(&mut unit, actor, id, precondition).await;
        unit.roll_back().await;
        own
    }

    /// How long it still takes bytes.
    ///
    /// # Errors
    /// It was completed, has ended, or its time is over.
    pub fn require_taking_bytes(&self) -> Result<Duration, Refusal> {
        let (id, status) = (self.upload.id, self.upload.status);
        if status != UploadStatus::Pending {
            let version = self.version;
            return Err(Refusal::TakesNoBytes { id, status, version });
        }
        let left = Duration::try_from(self.upload.expires_at - self.now).unwrap_or_default();
        if left.is_zero() {
            let expired_at = self.upload.expires_at;
            return Err(Refusal::TimeOver { id, expired_at });
        }
        Ok(left)
    }

    /// # Errors
    /// It is sent whole.
    pub fn require_parts(&self) -> Result<PartPlan, Refusal> {
        self.upload.parts().ok_or(Refusal::SentWhole(self.upload.id))
    }
}

async fn find(
    unit: &mut UnitOfWork,
    actor: &Actor,
    id: UploadId,
    precondition: &Precondition,
) -> Result<OwnUpload, CommandError> {
    let upload = store::uploads::find(unit.conn(), id)
        .await?
        .ok_or(Refusal::UploadNotFound(id))?;
    actor.require_owner(&upload.owner)?;
    let version = unit.token(upload.version);
    precondition.check(version)?;
    Ok(OwnUpload {
        upload,
        version,
        now: unit.now(),
    })
}
