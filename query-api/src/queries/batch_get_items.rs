use std::collections::HashMap;

use depot_domain::{ItemId, VersionToken};
use depot_read_model::ItemView;
use depot_service::auth::Principal;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Queries, QueryError,
    get_item::{item_view, see_item},
    require_reader,
};
use crate::{
    read::{Views, rows::ItemRow},
    visibility::AtLeast,
};

/// The most items of one call.
pub const MAX_BATCH: usize = 100;
/// How many of a batch's items that are behind are waited for at a time.
const WAITING_AT_ONCE: usize = 8;

/// One item of a batch.
#[derive(Debug, Clone, Copy)]
pub struct WantedItem {
    pub id: ItemId,
    pub at_least: Option<AtLeast>,
}

/// What became of one item of a batch.
#[derive(Debug, Clone)]
pub enum BatchOutcome {
    /// The item, in the version with this token.
    Found(Box<ItemView>, VersionToken),
    /// The version of the deletion.
    Deleted(VersionToken),
    NotFound,
}

/// The items in the order asked for. One that is behind the version named for it is waited for, and fails the call
/// when its time is up.
///
/// # Errors
/// As for a single item; absent and deleted ones are outcomes.
pub async fn batch_get_items(
    queries: &Queries,
    principal: &Principal,
    wanted: &[WantedItem],
) -> Result<Vec<BatchOutcome>, QueryError> {
    require_reader(principal)?;
    let ids: Vec<_> = wanted.iter().map(|item| item.id).collect();
    let ids = &ids;
    let ask = |views: Views| async move { views.items(ids).await };
    let rows = queries.reader.sources().anywhere(ask).await?;
    let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let pairs = wanted.iter().map(|item| (*item, rows.get(&item.id.0).cloned()));
    let outcomes = pairs
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(item, row)| outcome(queries, principal, item, row));
    stream::iter(outcomes)
        .buffered(WAITING_AT_ONCE)
        .try_collect()
        .await
}

async fn outcome(
    queries: &Queries,
    principal: &Principal,
    item: WantedItem,
    row: Option<ItemRow>,
) -> Result<BatchOutcome, QueryError> {
    match row {
        Some(row)
            if item
                .at_least
                .is_none_or(|at_least| row.version() >= at_least.version) =>
        {
            let version = row.version();
            if row.deleted {
                return Ok(BatchOutcome::Deleted(version));
            }
            Ok(BatchOutcome::Found(Box::new(row.into_view()), version))
        }
        None if item.at_least.is_none() => Ok(BatchOutcome::NotFound),
        _ => see_one(queries, principal, item).await,
    }
}

async fn see_one(
    queries: &Queries,
    principal: &Principal,
    item: WantedItem,
) -> Result<BatchOutcome, QueryError> {
    let held = see_item(queries, principal, item.id, item.at_least).await?;
    match item_view(&held)? {
        Some(view) => Ok(BatchOutcome::Found(Box::new(view), held.entry.version)),
        None => Ok(BatchOutcome::Deleted(held.entry.version)),
    }
}
