use depot_domain::{ItemId, VersionToken};
use depot_service::auth::Principal;
use time::Duration;

use super::{
    PageLimit, Queries, QueryError,
    get_item::{item_view, see_item},
};
use crate::{
    cursor::{InvalidCursor, Scope},
    read::{Views, rows::HistoryRow},
    visibility::AtLeast,
};

/// A page of an item's changes, the newest first.
#[derive(Debug)]
pub struct HistoryPage {
    pub changes: Vec<HistoryRow>,
    /// None at the end.
    pub next_cursor: Option<String>,
}

/// How far the database's clock may have been set back since an item was created. An event of an item is never dated
/// before its creation but for that, and only by a command-api of an earlier release.
const CLOCK_SET_BACK: Duration = Duration::days(1);

/// One page. A deleted item keeps its history, the deletion included. Where the history is not kept for ever, the pages end
/// at the oldest change that is: of an item whose versions have all gone the page is empty.
///
/// # Errors
/// [`QueryError::NotFound`], [`QueryError::Behind`], [`QueryError::Cursor`] and what any read fails with.
pub async fn item_history(
    queries: &Queries,
    principal: &Principal,
    id: ItemId,
    at_least: Option<AtLeast>,
    limit: PageLimit,
    cursor: Option<&str>,
) -> Result<HistoryPage, QueryError> {
    let scope = Scope::of(["item_history", &id.to_string()]);
    let before = match cursor {
        None => VersionToken::new(i32::MAX, i64::MAX),
        Some(text) => decode(&queries.cursors.open(scope, text)?)?,
    };
    // History and item are written in one transaction: where the item is that new, the history is.
    let held = see_item(queries, principal, id, at_least).await?;
    // Of a deleted item nobody knows any more, so that all partitions are looked into.
    let created = item_view(&held)?.map(|item| item.created_at);
    let since = created.and_then(|created| created.checked_sub(CLOCK_SET_BACK));
    let sources = queries.reader.sources();
    let ask = |views: Views| async move { views.item_history(id, before, since, limit.get() + 1).await };
    let mut changes = match at_least {
        // The item may have come from a layer that is ahead of the replica.
        Some(_) => ask(sources.primary().clone()).await?,
        None => sources.anywhere(ask).await?,
    };
    let shown = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let more = changes.len() > shown;
    changes.truncate(shown);
    let next_cursor = changes
        .last()
        .filter(|_| more)
        .map(|last| queries.cursors.seal(scope, &encode(last.version())));
    Ok(HistoryPage { changes, next_cursor })
}

fn encode(version: VersionToken) -> Vec<u8> {
    [
        &version.epoch.to_be_bytes()[..],
        &version.version.to_be_bytes()[..],
    ]
    .concat()
}

fn decode(position: &[u8]) -> Result<VersionToken, InvalidCursor> {
    let (epoch, version) = position.split_first_chunk::<4>().ok_or(InvalidCursor::Forged)?;
    let version: [u8; 8] = version.try_into().map_err(|_| InvalidCursor::Forged)?;
    Ok(VersionToken::new(
        i32::from_be_bytes(*epoch),
        i64::from_be_bytes(version),
    ))
}
