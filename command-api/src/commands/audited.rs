use std::future::Future;

use serde_json::Value;
use sqlx::PgConnection;

use super::{Actor, CommandError, UnitOfWork, UseCase};
use crate::store;

/// Something that only administrators do. It runs inside [`Audited`], which lets nobody else do it and writes it down.
pub trait AdminAction: Send + Sync + 'static {
    type Answer: Send;

    /// Does it, and says what is to stand in the audit.
    ///
    /// # Errors
    /// As [`UseCase::execute`].
    fn execute(
        &self,
        unit: &mut UnitOfWork,
    ) -> impl Future<Output = Result<(Self::Answer, AuditEntry), CommandError>> + Send;
}

/// What the audit says of an action, beside who and when.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// `<thing>.<verb>`, for example `outbox.resume`.
    pub action: &'static str,
    /// What it was done to.
    pub subject: String,
    pub detail: Value,
}

/// An action with who takes it: the way by which actions become use cases, so that none goes without its audit.
#[derive(Debug, Clone)]
pub struct Audited<A> {
    actor: Actor,
    action: A,
}

impl<A> Audited<A> {
    pub fn new(actor: Actor, action: A) -> Self {
        Self { actor, action }
    }

    fn require_admin(&self) -> Result<(), CommandError> {
        if self.actor.is_admin {
            return Ok(());
        }
        Err(CommandError::Forbidden)
    }
}

impl<A: AdminAction> UseCase for Audited<A> {
    type Answer = A::Answer;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<A::Answer, CommandError> {
        self.require_admin()?;
        let (answer, entry) = self.action.execute(unit).await?;
        let actor = self.actor.subject.as_str();
        store::audit::insert(unit.conn(), actor, entry.action, &entry.subject, entry.detail).await?;
        Ok(answer)
    }

    async fn authorize(&self, _: &mut PgConnection) -> Result<(), CommandError> {
        self.require_admin()
    }
}
