use std::sync::Arc;

use depot_domain::ItemId;
use depot_read_model::ItemView;
use depot_sabotage::Break;
use depot_service::auth::Principal;

use super::{Queries, QueryError, require_reader};
use crate::{
    change_feed::Subject,
    read::{Held, ReadError},
    visibility::{AtLeast, Freshness},
};

/// The item, in the version asked for or a later one.
///
/// # Errors
/// [`QueryError::ItemDeleted`], [`QueryError::NotFound`], [`QueryError::Behind`] and what any read fails with.
pub async fn get_item(
    queries: &Queries,
    principal: &Principal,
    id: ItemId,
    at_least: Option<AtLeast>,
) -> Result<Arc<Held>, QueryError> {
    let row = see_item(queries, principal, id, at_least).await?;
    if row.entry.is_deleted() {
        let (version, projection) = (row.entry.version, row.projection);
        return Err(QueryError::ItemDeleted {
            id: id.0,
            version,
            projection,
        });
    }
    Ok(row)
}

/// The item or its tombstone, in the version asked for or a later one.
pub(super) async fn see_item(
    queries: &Queries,
    principal: &Principal,
    id: ItemId,
    at_least: Option<AtLeast>,
) -> Result<Arc<Held>, QueryError> {
    require_reader(principal)?;
    let subject = Subject::Item(id.0);
    let read = async |freshness| {
        let row = match freshness {
            Freshness::Cached => queries.reader.item(id).await,
            Freshness::Told => Ok(queries.reader.item_told(id).await),
            Freshness::Now => queries.reader.item_now(id).await,
        };
        row.map_err(QueryError::from)
    };
    let at_least = at_least.filter(|_| !depot_sabotage::has(Break::Stale));
    let row = queries.visibility.see(subject, at_least, read).await?;
    row.ok_or(QueryError::NotFound(subject))
}

/// What is shown of an item; none of a deleted one.
///
/// # Errors
/// [`QueryError::Read`]: the representation is none.
pub fn item_view(held: &Held) -> Result<Option<ItemView>, QueryError> {
    let body = held.entry.body.as_deref();
    let view = body.map(serde_json::from_slice).transpose();
    view.map_err(|source| {
        ReadError::Representation {
            question: "an item",
            source,
        }
        .into()
    })
}
