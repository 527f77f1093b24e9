use depot_domain::{Owner, StorageAccount};
use sqlx::PgConnection;

use super::{StoreError, stored};

struct Row {
    owner: String,
    limit_bytes: i64,
    used_bytes: i64,
    reserved_bytes: i64,
}

impl Row {
    fn into_account(self) -> Result<StorageAccount, StoreError> {
        Ok(StorageAccount {
            owner: stored("storage_accounts", self.owner.clone(), self.owner)?,
            limit_bytes: self.limit_bytes,
            used_bytes: self.used_bytes,
            reserved_bytes: self.reserved_bytes,
        })
    }
}

/// Makes the account of an owner with the limit for new ones, if it is not there.
pub async fn ensure(conn: &mut PgConnection, owner: &Owner, limit_bytes: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO command.storage_accounts (owner, limit_bytes) VALUES ($1, $2) ON CONFLICT (owner) DO NOTHING",
        owner.as_str(),
        limit_bytes
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("make a storage account"))?;
    Ok(())
}

/// The account of an owner, locked to the end of the transaction.
pub async fn lock(conn: &mut PgConnection, owner: &Owner) -> Result<Option<StorageAccount>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT owner, limit_bytes, used_bytes, reserved_bytes FROM command.storage_accounts
         WHERE owner = $1 FOR UPDATE",
        owner.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("lock a storage account"))?
    .map(Row::into_account)
    .transpose()
}

/// The account of an owner as it is now.
pub async fn find(conn: &mut PgConnection, owner: &Owner) -> Result<Option<StorageAccount>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT owner, limit_bytes, used_bytes, reserved_bytes FROM command.storage_accounts WHERE owner = $1",
        owner.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read a storage account"))?
    .map(Row::into_account)
    .transpose()
}

/// Writes an account that this transaction has locked.
pub async fn update(conn: &mut PgConnection, account: &StorageAccount) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE command.storage_accounts SET limit_bytes = $2, used_bytes = $3, reserved_bytes = $4 WHERE owner = $1",
        account.owner.as_str(),
        account.limit_bytes,
        account.used_bytes,
        account.reserved_bytes
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("write a storage account"))?;
    Ok(())
}
