use std::sync::Arc;

use depot_domain::{Declaration, InstanceId};
use depot_service::auth::Principal;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{PageLimit, Queries, QueryError, require_reader};
use crate::{
    change_feed::Subject,
    cursor::{InvalidCursor, Scope},
    read::{
        ReadError, Views,
        declared::{Behind, DeclaredRow},
    },
    visibility::{AtLeast, Freshness},
};

/// One of a declared aggregate, in the version asked for or a later one; for its owner and for admins.
///
/// # Errors
/// [`QueryError::Forbidden`], [`QueryError::NotFound`], [`QueryError::Behind`] and what any read fails with.
pub async fn get_declared(
    queries: &Queries,
    principal: &Principal,
    of: &'static Declaration,
    id: InstanceId,
    at_least: Option<AtLeast>,
) -> Result<Arc<DeclaredRow>, QueryError> {
    require_reader(principal)?;
    let subject = Subject::Declared(of, id.0);
    let sources = queries.reader.sources();
    let read = async |freshness| {
        // No cache has it: what one was told, nobody was.
        let row = match freshness {
            Freshness::Cached | Freshness::Told => sources.anywhere(|views| declared(views, of, id)).await,
            Freshness::Now => sources.primary().declared(of, id).await,
        }?;
        match row {
            // The owner never changes, so this may come before the version.
            Some(row) if !principal.may_act_for(&row.owner) => {
                Err(QueryError::Forbidden("Only the owner or an admin may see it."))
            }
            row => Ok(row.map(Arc::new)),
        }
    };
    let row = queries.visibility.see(subject, at_least, read).await?;
    row.ok_or(QueryError::NotFound(subject))
}

async fn declared(
    views: Views,
    of: &'static Declaration,
    id: InstanceId,
) -> Result<Option<DeclaredRow>, ReadError> {
    views.declared(of, id).await
}

/// A page of the caller's own, the newest first.
#[derive(Debug)]
pub struct DeclaredPage {
    pub rows: Vec<DeclaredRow>,
    /// None at the end.
    pub next_cursor: Option<String>,
}

/// The caller's own, the newest first. Lists promise no version.
///
/// # Errors
/// [`QueryError::Cursor`] and what any read fails with.
pub async fn list_declared(
    queries: &Queries,
    principal: &Principal,
    of: &'static Declaration,
    limit: PageLimit,
    cursor: Option<&str>,
) -> Result<DeclaredPage, QueryError> {
    require_reader(principal)?;
    let owner = &*principal.subject;
    let scope = Scope::of(["declared", of.name, owner]);
    let behind = match cursor {
        Some(text) => Some(decode(&queries.cursors.open(scope, text)?)?),
        None => None,
    };
    let shown = limit.get();
    // One more than shown tells whether there is a next page.
    let ask = |views: Views| async move { views.declared_page(of, owner, behind, shown + 1).await };
    let mut rows = queries.reader.sources().anywhere(ask).await?;
    let more = rows.len() as i64 > shown;
    rows.truncate(usize::try_from(shown).unwrap_or(usize::MAX));
    let last = rows.last().filter(|_| more);
    let next_cursor = last.map(|last| queries.cursors.seal(scope, &encode((last.created_at, last.id))));
    Ok(DeclaredPage { rows, next_cursor })
}

/// `id ‖ microseconds`, which is Postgres' precision.
fn encode((created_at, id): Behind) -> Vec<u8> {
    let micros = created_at.unix_timestamp_nanos() / 1_000;
    [id.as_bytes().as_slice(), &micros.to_be_bytes()].concat()
}

/// The cursor was authenticated, so a position that cannot be read is of another format.
fn decode(position: &[u8]) -> Result<Behind, InvalidCursor> {
    let (id, micros) = position.split_first_chunk::<16>().ok_or(InvalidCursor::Forged)?;
    let micros = i128::from_be_bytes(micros.try_into().map_err(|_| InvalidCursor::Forged)?);
    let nanos = micros.checked_mul(1_000).ok_or(InvalidCursor::Forged)?;
    let created_at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| InvalidCursor::Forged)?;
    Ok((created_at, Uuid::from_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_position_keeps_the_full_precision_of_its_time() {
        let position = (datetime!(2026-01-31 12:00:00.123456 UTC), Uuid::now_v7());
        assert_eq!(decode(&encode(position)), Ok(position));
        assert_eq!(decode(b"short"), Err(InvalidCursor::Forged));
    }
}
