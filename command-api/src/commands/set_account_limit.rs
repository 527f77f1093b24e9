use depot_domain::{Owner, StorageAccount};
use serde_json::json;
use sqlx::PgConnection;

use super::{Actor, CommandError, UnitOfWork, UseCase};
use crate::store;

/// Sets how much an owner may store. A limit below what is there takes nothing away, it only stops new uploads.
#[derive(Debug, Clone)]
pub struct SetAccountLimit {
    pub actor: Actor,
    pub owner: Owner,
    pub limit_bytes: i64,
}

impl UseCase for SetAccountLimit {
    type Answer = StorageAccount;

    async fn execute(&self, unit: &mut UnitOfWork) -> Result<StorageAccount, CommandError> {
        if !self.actor.is_admin {
            return Err(CommandError::Forbidden);
        }
        store::accounts::ensure(unit.conn(), &self.owner, self.limit_bytes).await?;
        let account = store::accounts::lock(unit.conn(), &self.owner).await?;
        let before = account.unwrap_or_else(|| StorageAccount::new(self.owner.clone(), self.limit_bytes));
        let after = StorageAccount {
            limit_bytes: self.limit_bytes,
            ..before.clone()
        };
        store::accounts::update(unit.conn(), &after).await?;
        let detail = json!({ "limit_bytes": self.limit_bytes, "limit_bytes_before": before.limit_bytes });
        let (actor, owner) = (self.actor.subject.as_str(), self.owner.as_str());
        store::audit::insert(unit.conn(), actor, "account.limit.set", owner, detail).await?;
        Ok(after)
    }

    async fn authorize(&self, _: &mut PgConnection) -> Result<(), CommandError> {
        if self.actor.is_admin {
            Ok(())
        } else {
            Err(CommandError::Forbidden)
        }
    }
}
