//! What an upload's end does to its owner's storage account.

use depot_domain::{Owner, StorageAccount, Upload};
use depot_sabotage::Break;

use crate::{
    commands::{CommandError, UnitOfWork},
    store::{self, StoreError},
};

/// Locks an account that has an upload, and so is there.
pub async fn lock(unit: &mut UnitOfWork, owner: &Owner) -> Result<StorageAccount, CommandError> {
    let account = store::accounts::lock(unit.conn(), owner).await?;
    let missing = || StoreError::Unexpected {
        table: "storage_accounts",
        id: owner.to_string(),
    };
    Ok(account.ok_or_else(missing)?)
}

/// The upload was attached: what it reserved is free, and what is stored for it is used.
pub async fn settle(
    unit: &mut UnitOfWork,
    mut account: StorageAccount,
    upload: &Upload,
) -> Result<(), CommandError> {
    if depot_sabotage::has(Break::Quota) {
        return Ok(());
    }
    account.settle(upload.request.size_bytes.get(), upload.stored_bytes());
    Ok(store::accounts::update(unit.conn(), &account).await?)
}

/// The upload ended without a file.
pub async fn release_reserved(
    unit: &mut UnitOfWork,
    mut account: StorageAccount,
    upload: &Upload,
) -> Result<(), CommandError> {
    account.release_reserved(upload.request.size_bytes.get());
    Ok(store::accounts::update(unit.conn(), &account).await?)
}

/// The attached file went with its item, and its thumbnail with it.
pub async fn release_used(
    unit: &mut UnitOfWork,
    mut account: StorageAccount,
    upload: &Upload,
) -> Result<(), CommandError> {
    account.release_used(upload.stored_bytes());
    Ok(store::accounts::update(unit.conn(), &account).await?)
}
