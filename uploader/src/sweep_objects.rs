//! The bucket of files, what is on record of it, and the receipts that refer to it.

use depot_object_store::StoreError;
use depot_sabotage::Break;
use depot_schemas::sweep::FindingKind;
use uuid::Uuid;

use crate::{
    files::Files,
    objects,
    sweep::{SweepError, Tally},
    sweep_rows,
    sweep_staging::is_older,
};

/// Rows looked at in one statement; of what is unsettled, the rest waits for the next sweep.
const PAGE: i64 = 1_000;

/// Copies that nobody finished.
pub(crate) async fn sweep_copies(files: &Files, tally: &mut Tally) -> Result<(), SweepError> {
    let grace = tally.options.grace;
    let mut connection = files.pool.acquire().await?;
    let mut keys = sweep_rows::stale_copies(&mut connection, grace, PAGE).await?;
    if !tally.options.dry_run {
        keys = sweep_rows::discard_stale_copies(&mut connection, &keys, grace).await?;
    }
    drop(connection);
    delete(
        files,
        tally,
        FindingKind::StaleCopy,
        keys,
        "nobody went on with this copy",
    )
    .await
}

/// What lies in the bucket, against what is on record, page by page: a copy has its row before its first byte, so what
/// has none is nobody's; and what may be referred to and was not listed is asked for by its name.
pub(crate) async fn sweep_bucket(files: &Files, tally: &mut Tally) -> Result<(), SweepError> {
    if depot_sabotage::has(Break::Orphaned) {
        return Ok(());
    }
    let (mut after, mut from) = (None, String::new());
    loop {
        let page = files.store.list(&files.bucket, after).await?;
        let grace = tally.options.grace;
        let old = page.objects.iter().filter(|object| is_older(object, grace));
        let old: Vec<String> = old.map(|object| object.key.clone()).collect();
        let mut connection = files.pool.acquire().await?;
        let mut strays = sweep_rows::strays(&mut connection, &old).await?;
        if !tally.options.dry_run && !strays.is_empty() {
            strays = sweep_rows::adopt_strays(&mut connection, &strays).await?;
        }
        drop(connection);
        delete(
            files,
            tally,
            FindingKind::StrayObject,
            strays,
            "nobody may refer to this object",
        )
        .await?;
        let lying: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
        // A page may be empty though others follow.
        let last = lying.iter().max().cloned();
        let until = page.next.as_ref().and(last.as_deref());
        if page.next.is_none() || until.is_some() {
            tell_missing(files, tally, &from, until, &lying).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
        from = last.unwrap_or(from);
    }
}

async fn tell_missing(
    files: &Files,
    tally: &mut Tally,
    from: &str,
    until: Option<&str>,
    lying: &[String],
) -> Result<(), SweepError> {
    let mut from = from.to_owned();
    loop {
        let mut connection = files.pool.acquire().await?;
        let absent = sweep_rows::absent(&mut connection, &from, until, lying, PAGE).await?;
        drop(connection);
        for key in &absent {
            match files.store.head(&files.bucket, key).await {
                Err(StoreError::NotFound(_)) => {}
                Ok(_) => continue,
                Err(error) => return Err(error.into()),
            }
            // Its deletion may have been decided since it was looked up.
            let mut connection = files.pool.acquire().await?;
            let references = sweep_rows::references(&mut connection, key).await?;
            if references > 0 {
                let detail = format!(
                    "{references} uploads refer to this object and the store does not have it: bring it back from a \
                     backup of the bucket, or delete the items that show it"
                );
                tally.left(
                    FindingKind::MissingObject,
                    format!("{}/{key}", files.bucket),
                    detail,
                );
            }
        }
        match absent.last() {
            Some(last) if absent.len() as i64 == PAGE => from.clone_from(last),
            _ => return Ok(()),
        }
    }
}

/// Objects without a receipt, and receipts without an object.
pub(crate) async fn sweep_references(files: &Files, tally: &mut Tally) -> Result<(), SweepError> {
    let mut after = String::new();
    loop {
        let mut connection = files.pool.acquire().await?;
        let page = sweep_rows::live_objects(&mut connection, &after, tally.options.grace, PAGE).await?;
        drop(connection);
        let unreferenced = page.iter().filter(|object| object.is_unreferenced);
        let mut keys: Vec<String> = unreferenced.map(|object| object.key.clone()).collect();
        if !tally.options.dry_run {
            keys = release(files, keys).await?;
        }
        delete(
            files,
            tally,
            FindingKind::UnreferencedObject,
            keys,
            "no receipt refers to this object",
        )
        .await?;
        match page.last() {
            Some(last) => after.clone_from(&last.key),
            None => break,
        }
    }
    let mut after = Uuid::nil();
    loop {
        let mut connection = files.pool.acquire().await?;
        let page = sweep_rows::referring(&mut connection, after, PAGE).await?;
        drop(connection);
        for receipt in &page {
            let (Some(key), Some(state)) = (&receipt.unfit_key, &receipt.unfit_state) else {
                continue;
            };
            let detail = format!(
                "its receipt says stored, and its object {key} is {state}: bring the object back from a backup and set \
                 its row to live, or delete the item that shows it"
            );
            tally.left(
                FindingKind::ReceiptWithoutObject,
                receipt.upload_id.to_string(),
                detail,
            );
        }
        match page.last() {
            Some(last) => after = last.upload_id,
            None => return Ok(()),
        }
    }
}

/// Decides the deletion of those that still nobody refers to: whoever refers to an object anew holds its lock, so the
/// receipts are looked at under it.
async fn release(files: &Files, keys: Vec<String>) -> Result<Vec<String>, SweepError> {
    let mut released = Vec::new();
    for key in keys {
        let mut transaction = files.pool.begin().await?;
        if objects::release(&mut transaction, &key, None).await? {
            released.push(key);
        }
        transaction.commit().await?;
    }
    Ok(released)
}

/// Deletions that were decided. All are carried out; only the old ones are told: the others are somebody's work.
pub(crate) async fn sweep_deletions(files: &Files, tally: &mut Tally) -> Result<(), SweepError> {
    let mut connection = files.pool.acquire().await?;
    let decided = sweep_rows::unconfirmed(&mut connection, tally.options.grace, PAGE).await?;
    drop(connection);
    for deletion in decided {
        if !tally.options.dry_run {
            carry_out(files, &deletion.key).await?;
        }
        if deletion.is_old {
            let subject = format!("{}/{}", files.bucket, deletion.key);
            let detail = "its deletion was decided, and never confirmed by the store";
            tally.mended(FindingKind::UnconfirmedDeletion, subject, detail);
        }
    }
    Ok(())
}

async fn delete(
    files: &Files,
    tally: &mut Tally,
    kind: FindingKind,
    keys: Vec<String>,
    detail: &str,
) -> Result<(), SweepError> {
    for key in keys {
        if !tally.options.dry_run {
            carry_out(files, &key).await?;
        }
        tally.mended(kind, format!("{}/{key}", files.bucket), detail);
    }
    Ok(())
}

/// Carries out a deletion that was decided, outside of any transaction.
pub(crate) async fn carry_out(files: &Files, key: &str) -> Result<(), SweepError> {
    files.store.delete(&files.bucket, key).await?;
    let mut connection = files.pool.acquire().await?;
    objects::mark_deleted(&mut connection, key).await?;
    Ok(())
}
