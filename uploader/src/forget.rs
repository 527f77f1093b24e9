//! An upload that nobody knows, after its database was set back for instance: what is kept for it goes, nobody is told,
//! and nothing is stored for it any more.

use uuid::Uuid;

use crate::{
    files::Files,
    objects,
    receipts::{self, Receipt},
    sweep::SweepError,
    sweep_objects::carry_out,
};

/// Forgets an upload; true if a file was kept for it. May be cut off at any point, and called again.
///
/// # Errors
/// [`SweepError`]; what is left is found by the next sweep.
pub async fn forget(files: &Files, upload: Uuid) -> Result<bool, SweepError> {
    let mut transaction = files.pool.begin().await?;
    let mut unreferenced = Vec::new();
    let mut had_file = false;
    if !receipts::insert_unknown(&mut transaction, upload).await?
        && let Receipt::Referring { object_keys } = receipts::lock(&mut transaction, upload).await?
    {
        had_file = true;
        receipts::mark_forgotten(&mut transaction, upload).await?;
        for key in object_keys {
            if objects::release(&mut transaction, &key, None).await? {
                unreferenced.push(key);
            }
        }
    }
    transaction.commit().await?;
    for key in unreferenced {
        carry_out(files, &key).await?;
    }
    // Parts that were sent are the sweep's, as those of any upload that has its receipt.
    files.store.delete(&files.staging, &upload.to_string()).await?;
    Ok(had_file)
}
