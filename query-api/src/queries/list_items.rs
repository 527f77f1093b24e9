use depot_domain::Owner;
use depot_service::auth::Principal;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{PageLimit, Queries, QueryError, require_reader};
use crate::{
    cursor::{InvalidCursor, Scope},
    read::{
        Views,
        item_pages::{ItemFilter, ItemSort, PageQuery, SortKey},
        rows::ItemRow,
    },
};

/// A page ends early when its items have about this many bytes, so that a gRPC message stays below its limit.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

/// A list or a search.
#[derive(Debug, Clone)]
pub struct ListItems {
    pub filter: ItemFilter,
    pub sort: ItemSort,
    pub limit: PageLimit,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A page of items; they are not deleted.
#[derive(Debug)]
pub struct ItemPage {
    pub items: Vec<ItemRow>,
    /// None at the end.
    pub next_cursor: Option<String>,
}

/// One page. Lists follow the newest state and promise no version.
///
/// # Errors
/// [`QueryError::Cursor`] and what any read fails with.
pub async fn list_items(
    queries: &Queries,
    principal: &Principal,
    list: &ListItems,
) -> Result<ItemPage, QueryError> {
    require_reader(principal)?;
    let scope = scope(list);
    let after = match &list.cursor {
        None => None,
        Some(text) => Some(decode(list.sort, &queries.cursors.open(scope, text)?)?),
    };
    let limit = list.limit.get();
    let query = PageQuery {
        filter: &list.filter,
        sort: list.sort,
        after: after.as_ref(),
        // One more than shown tells whether there is a next page.
        limit: limit + 1,
    };
    let query = &query;
    let ask = |views: Views| async move { views.item_page(query).await };
    let mut items = queries.reader.sources().anywhere(ask).await?;
    let shown = shown(&items, list.limit);
    let more = items.len() > shown;
    items.truncate(shown);
    let next_cursor = items
        .last()
        .filter(|_| more)
        .map(|last| cursor_behind(queries, list, &list.sort.key_of(last), last.id));
    Ok(ItemPage { items, next_cursor })
}

/// The cursor by which a list goes on behind an item.
pub fn cursor_behind(queries: &Queries, list: &ListItems, key: &SortKey, id: Uuid) -> String {
    queries.cursors.seal(scope(list), &encode(key, id))
}

/// How many of the items make up the page: at least one.
fn shown(items: &[ItemRow], limit: PageLimit) -> usize {
    let mut bytes = 0;
    let fitting = items.iter().take_while(|item| {
        let fits = bytes < MAX_PAGE_BYTES;
        bytes += size(item);
        fits
    });
    fitting
        .take(usize::try_from(limit.get()).unwrap_or(usize::MAX))
        .count()
}

fn size(item: &ItemRow) -> usize {
    let attributes = serde_json::to_string(&item.attributes.0).map_or(0, |text| text.len());
    // A file has a name of at most 255 characters, a digest and a type.
    1_024 + item.name.len() + item.description.len() + attributes + item.files.len() * 512
}

/// What the cursor is bound to: everything but the limit, which may change from page to page.
fn scope(list: &ListItems) -> Scope {
    let filter = &list.filter;
    let mut tags = filter.tags.clone();
    tags.sort();
    let time = |time: Option<OffsetDateTime>| {
        time.map(|time| time.unix_timestamp_nanos().to_string())
            .unwrap_or_default()
    };
    let (from, to) = (time(filter.created_from), time(filter.created_to));
    let fixed = [
        "items",
        list.sort.as_str(),
        filter.owner.as_deref().unwrap_or_default(),
        filter.status.map(|status| status.as_str()).unwrap_or_default(),
        &from,
        &to,
        filter.text.as_deref().unwrap_or_default(),
    ];
    Scope::of(fixed.into_iter().chain(tags.iter().map(String::as_str)))
}

/// `id ‖ key`: a time in microseconds, which is Postgres' precision, or a name.
fn encode(key: &SortKey, id: Uuid) -> Vec<u8> {
    let mut position = id.as_bytes().to_vec();
    match key {
        SortKey::Time(time) => {
            let micros = time.unix_timestamp_nanos() / 1_000;
            position.extend_from_slice(&micros.to_be_bytes());
        }
        SortKey::Name(name) => position.extend_from_slice(name.as_bytes()),
    }
    position
}

/// The cursor was authenticated, so a position that cannot be read is of an earlier format.
fn decode(sort: ItemSort, position: &[u8]) -> Result<(SortKey, Uuid), InvalidCursor> {
    let (id, key) = position.split_first_chunk::<16>().ok_or(InvalidCursor::Forged)?;
    let key = if sort.is_by_name() {
        SortKey::Name(String::from_utf8(key.to_vec()).map_err(|_| InvalidCursor::Forged)?)
    } else {
        let micros = i128::from_be_bytes(key.try_into().map_err(|_| InvalidCursor::Forged)?);
        let nanos = micros.checked_mul(1_000).ok_or(InvalidCursor::Forged)?;
        SortKey::Time(OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| InvalidCursor::Forged)?)
    };
    Ok((key, Uuid::from_bytes(*id)))
}

/// A tag to filter by.
///
/// # Errors
/// What would be accepted.
pub fn parse_tag(text: &str) -> Result<String, &'static str> {
    let length = text.chars().count();
    if length == 0 || length > 50 || text.chars().any(char::is_control) {
        return Err("is no tag: a tag has 1 to 50 characters and no control character");
    }
    Ok(text.to_owned())
}

/// An owner to filter by.
///
/// # Errors
/// What would be accepted.
pub fn parse_owner(text: &str) -> Result<String, &'static str> {
    Owner::parse(text)
        .map(|owner| owner.as_str().to_owned())
        .map_err(|_| "is no owner: an owner has 1 to 200 characters and no control character")
}

/// A text to search for.
///
/// # Errors
/// What would be accepted.
pub fn parse_text(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() || text.chars().count() > 200 || text.contains('\0') {
        return Err("is no search: give 1 to 200 characters, not blank and without NUL");
    }
    Ok(text.to_owned())
}

/// A time to filter by, RFC 3339; offsets other than `Z` are accepted.
///
/// # Errors
/// What would be accepted.
pub fn parse_time(text: &str) -> Result<OffsetDateTime, &'static str> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "is no RFC 3339 time such as 2026-01-31T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_position_keeps_the_full_precision_of_its_sort_key() {
        let time = datetime!(2026-01-31 12:00:00.123456 UTC);
        let id = Uuid::now_v7();
        for (sort, key) in [
            (ItemSort::CreatedAt, SortKey::Time(time)),
            (ItemSort::NameDescending, SortKey::Name("ünïcode".into())),
            (ItemSort::UpdatedAt, SortKey::Time(datetime!(1900-01-01 0:00 UTC))),
        ] {
            assert_eq!(decode(sort, &encode(&key, id)), Ok((key, id)));
        }
    }
}
