use std::time::Duration;

use depot_domain::{Item, StorageAccount, Upload, UploadId, UploadRequest};
use depot_schemas::EventType;
use sqlx::PgConnection;

use super::{Actor, CommandError, Refusal, UnitOfWork, UploadAnswer, UseCase, item_command};
use crate::{
    saga::{UPLOAD_SAGA, step},
    store,
};

/// Announces a file for an item: reserves quota in the actor's account and lets the client send the bytes. The actor
/// owns the upload, also where an admin adds a file to somebody else's item.
#[derive(Debug, Clone)]
pub struct RequestUpload {
    pub actor: Actor,
    pub id: UploadId,
    pub request: UploadRequest,
    /// How long the bytes may be sent.
    pub lifetime: Duration,
    /// The size of each part but the last, of a file that is sent in parts.
    pub part_size_bytes: Option<i64>,
    /// How long after that the upload may still be completed.
    pub grace: Duration,
    /// The limit of an account that is made now.
    pub default_quota_bytes: i64,
}

impl RequestUpload {
    fn check(&self, unit: &UnitOfWork, item: Option<Item>) -> Result<(), CommandError> {
        let item = item.ok_or(Refusal::ItemNotFound(self.request.item_id))?;
        self.actor.require_owner(&item.owner)?;
        let version = unit.token(item.version);
        item.require_alive()
            .and_then(|()| item.require_room_for_a_file())
            .map_err(|error| Refusal::by_item(error, version))?;
        Ok(())
    }

    async fn account(&self, unit: &mut UnitOfWork) -> Result<StorageAccount, CommandError> {
        let owner = &self.actor.subject;
        store::accounts::ensure(unit.conn(), owner, self.default_quota_bytes).await?;
        let account = store::accounts::lock(unit.conn(), owner).await?;
        // Accounts are never deleted; were one, the next request would make it again.
        Ok(account.unwrap_or_else(|| StorageAccount::new(owner.clone(), self.default_quota_bytes)))
    }
}

impl UseCase for RequestUpload {
    type Answer = UploadAnswer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<UploadAnswer, CommandError> {
        // Looked at first without a lock, so that a request for nothing makes no account; then in the order of locks.
        let item = store::items::find(unit.conn(), self.request.item_id).await?;
        self.check(unit, item)?;
        let mut account = self.account(unit).await?;
        let item = store::items::lock(unit.conn(), self.request.item_id).await?;
        self.check(unit, item)?;
        account
            .reserve(self.request.size_bytes.get())
            .map_err(Refusal::from)?;

        let now = unit.now();
        let expires_at = now + self.lifetime;
        let upload = Upload {
            part_size_bytes: self.part_size_bytes,
            ..Upload::request(
                self.id,
                self.actor.subject.clone(),
                self.request.clone(),
                now,
                expires_at,
            )
        };
        store::accounts::update(unit.conn(), &account).await?;
        store::uploads::insert(unit.conn(), &upload).await?;
        debug_assert_eq!(UPLOAD_SAGA.steps[0].name, step::AWAITING_BYTES);
        depot_saga::store::begin(
            unit.conn(),
            &UPLOAD_SAGA,
            upload.id.0,
            Some(expires_at + self.grace),
        )
        .await?;
        unit.record_upload(
            EventType::UploadRequested,
            &upload,
            &[],
            self.actor.subject.as_str(),
        );
        Ok(UploadAnswer {
            version: unit.token(upload.version),
            upload,
        })
    }

    async fn authorize(&self, conn: &mut PgConnection) -> Result<(), CommandError> {
        item_command::authorize(conn, &self.actor, self.request.item_id).await
    }
}
