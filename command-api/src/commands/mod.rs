//! What this service can do, one use case a file: its input, its handler, its answer.
//!
//! A use case locks what it needs (in the order of [`crate::store`]), has `depot-domain` decide, writes the outcome
//! and records its events, all in a [`UnitOfWork`] that its caller begins and commits.

mod abort_upload;
mod audited;
mod begin_republish;
mod change_item;
mod complete_upload;
mod create_item;
mod dead_letters;
mod declared;
mod delete_item;
mod error;
mod events;
mod item_command;
mod own_upload;
mod patch_item;
mod precondition;
mod replace_item;
mod request_upload;
mod resume_aggregate;
mod resume_saga;
mod set_account_limit;
mod snapshot;
mod sweep;
mod unit_of_work;

pub use abort_upload::AbortUpload;
pub use audited::{AdminAction, AuditEntry, Audited};
pub use begin_republish::BeginRepublish;
pub use complete_upload::CompleteUpload;
pub use create_item::CreateItem;
pub use dead_letters::{DiscardDeadLetters, RedriveDeadLetters};
pub use declared::{ChangeDeclared, CreateDeclared, DeclaredAnswer};
pub use delete_item::DeleteItem;
pub use error::{CommandError, Refusal};
pub use item_command::{ItemCommand, ItemWrite, Moment};
pub use own_upload::OwnUpload;
pub use patch_item::{ItemPatch, PatchItem};
pub use precondition::Precondition;
pub use replace_item::ReplaceItem;
pub use request_upload::RequestUpload;
pub use resume_aggregate::ResumeAggregate;
pub use resume_saga::ResumeSaga;
pub use set_account_limit::SetAccountLimit;
pub use sweep::BeginSweep;
pub use unit_of_work::{Cause, UnitOfWork, Writer};

use std::future::Future;

use depot_domain::{Item, Owner, Upload, VersionToken};
use sqlx::PgConnection;

/// Who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub subject: Owner,
    pub is_admin: bool,
}

impl Actor {
    /// Whether the actor may change what belongs to `owner`.
    pub fn require_owner(&self, owner: &Owner) -> Result<(), CommandError> {
        if self.is_admin || self.subject == *owner {
            return Ok(());
        }
        Err(CommandError::Forbidden)
    }
}

/// Something that can be done, once, in a transaction.
pub trait UseCase: Send + Sync + 'static {
    type Answer: Send;

    /// Does it. What it has written before it is refused is undone by its caller.
    ///
    /// # Errors
    /// `Refused` where the state does not allow it; the other kinds decide nothing.
    fn execute(
        &self,
        unit: &mut UnitOfWork,
    ) -> impl Future<Output = Result<Self::Answer, CommandError>> + Send;

    /// Asked before a kept answer is repeated: whether the actor may still do this. Reads only what never changes.
    ///
    /// # Errors
    /// `Forbidden`, or a fault of the database.
    fn authorize(&self, conn: &mut PgConnection) -> impl Future<Output = Result<(), CommandError>> + Send;
}

/// An item after a command.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemAnswer {
    pub item: Item,
    pub version: VersionToken,
}

/// An upload after a command.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadAnswer {
    pub upload: Upload,
    pub version: VersionToken,
}
