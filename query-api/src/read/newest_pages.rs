//! The pages that are asked for most: newest first, as many rows as a page has where nothing is said, of all items, of one
//! owner's, or of one status. Each has a statement of its own, which is planned once: with filters that may be given or not, a
//! statement is planned for each execution, which takes longer than reading the page.

use depot_domain::ItemStatus;
use depot_service::database::Pool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    item_pages::{ItemFilter, ItemSort, PageQuery, SortKey},
    rows::ItemRow,
};

/// A page without a limit, and the row that tells of a next one. In the statements it is a literal: a plan that does not know
/// it is made for a tenth of all rows.
const ROWS: i64 = 51;

/// Whose items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of<'a> {
    All,
    Owner(&'a str),
    Status(ItemStatus),
}

/// One such page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewestPage<'a> {
    of: Of<'a>,
    after: Option<(OffsetDateTime, Uuid)>,
}

macro_rules! newest {
    ($pool:expr, $condition:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            ItemRow,
            r#"SELECT projection, id, owner, name, description, tags, attributes AS "attributes: _", status,
                      files AS "files: _", epoch, version, created_at, updated_at, deleted
               FROM read.items
               WHERE projection = (SELECT projection FROM read.active_projection) AND NOT deleted"#
                + $condition
                + " ORDER BY created_at DESC, id DESC LIMIT 51"
            $(, $argument)*
        )
        .fetch_all($pool)
        .await
    };
}

impl<'a> NewestPage<'a> {
    /// None for any other page.
    pub fn of(query: &PageQuery<'a>) -> Option<Self> {
        if query.sort != ItemSort::CreatedAtDescending || query.limit != ROWS {
            return None;
        }
        let ItemFilter {
            tags,
            owner,
            status,
            created_from: None,
            created_to: None,
            text: None,
        } = query.filter
        else {
            return None;
        };
        let of = match (tags.is_empty(), owner, status) {
            (true, None, None) => Of::All,
            (true, Some(owner), None) => Of::Owner(owner.as_str()),
            (true, None, Some(status)) => Of::Status(*status),
            _ => return None,
        };
        let after = match query.after {
            None => None,
            Some((SortKey::Time(time), id)) => Some((*time, *id)),
            Some((SortKey::Name(_), _)) => return None,
        };
        Some(Self { of, after })
    }

    /// Runs its statement.
    pub async fn fetch(self, pool: &Pool) -> Result<Vec<ItemRow>, sqlx::Error> {
        match (self.of, self.after) {
            (Of::All, None) => newest!(pool, ""),
            (Of::All, Some((time, id))) => newest!(pool, " AND (created_at, id) < ($1, $2)", time, id),
            (Of::Owner(owner), None) => newest!(pool, " AND owner = $1", owner),
            (Of::Owner(owner), Some((time, id))) => {
                newest!(
                    pool,
                    " AND owner = $1 AND (created_at, id) < ($2, $3)",
                    owner,
                    time,
                    id
                )
            }
            (Of::Status(status), None) => newest!(pool, " AND status = $1", status.as_str()),
            (Of::Status(status), Some((time, id))) => {
                newest!(
                    pool,
                    " AND status = $1 AND (created_at, id) < ($2, $3)",
                    status.as_str(),
                    time,
                    id
                )
            }
        }
    }
}
