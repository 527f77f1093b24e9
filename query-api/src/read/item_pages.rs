//! Pages of items by keyset: one statement for each sort, with optional filters.
//!
//! A walk goes by (sort key, id), which no two items share, so it shows each item that does not change meanwhile
//! exactly once. Names are compared by the collation "C" of their column, whatever the database's is. The search
//! pool plans each execution for its parameters, so a filter that is not given costs nothing and one that is given
//! uses its index.

use depot_domain::ItemStatus;
use depot_service::database::Pool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::ItemRow;

/// The order of a list; ties are broken by id in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemSort {
    CreatedAt,
    CreatedAtDescending,
    UpdatedAt,
    UpdatedAtDescending,
    /// By Unicode code point.
    Name,
    NameDescending,
}

impl ItemSort {
    pub const ALL: [Self; 6] = [
        Self::CreatedAt,
        Self::CreatedAtDescending,
        Self::UpdatedAt,
        Self::UpdatedAtDescending,
        Self::Name,
        Self::NameDescending,
    ];

    /// As written in a query: the field's name, with `-` for descending.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::CreatedAtDescending => "-created_at",
            Self::UpdatedAt => "updated_at",
            Self::UpdatedAtDescending => "-updated_at",
            Self::Name => "name",
            Self::NameDescending => "-name",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }

    /// The value by which this order sorts `row`.
    pub fn key_of(self, row: &ItemRow) -> SortKey {
        match self {
            Self::CreatedAt | Self::CreatedAtDescending => SortKey::Time(row.created_at),
            Self::UpdatedAt | Self::UpdatedAtDescending => SortKey::Time(row.updated_at),
            Self::Name | Self::NameDescending => SortKey::Name(row.name.clone()),
        }
    }

    pub fn is_by_name(self) -> bool {
        matches!(self, Self::Name | Self::NameDescending)
    }
}

/// A sort key in the precision of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    Time(OffsetDateTime),
    Name(String),
}

/// Which items; what is not given does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// All of these.
    pub tags: Vec<String>,
    pub owner: Option<String>,
    pub status: Option<ItemStatus>,
    /// Inclusive.
    pub created_from: Option<OffsetDateTime>,
    /// Exclusive.
    pub created_to: Option<OffsetDateTime>,
    /// Words, "phrases", -exclusions and `or`, in name and description.
    pub text: Option<String>,
}

/// One page.
#[derive(Debug)]
pub struct PageQuery<'a> {
    pub filter: &'a ItemFilter,
    pub sort: ItemSort,
    /// Where the page before ended.
    pub after: Option<&'a (SortKey, Uuid)>,
    /// The most rows.
    pub limit: i64,
}

/// The statement of one sort. `$key` is the column, `$type` its type, `$beyond` and `$direction` the way of the walk.
macro_rules! item_page {
    ($pool:expr, $query:expr, $key:literal, $type:literal, $beyond:literal, $direction:literal, $after_key:expr) => {{
        let filter = $query.filter;
        sqlx::query_as!(
            ItemRow,
            r#"SELECT projection, id, owner, name, description, tags, attributes AS "attributes: _", status,
                      files AS "files: _", epoch, version, created_at, updated_at, deleted
               FROM read.items
               WHERE projection = (SELECT projection FROM read.active_projection) AND NOT deleted
                 AND ($1::text[] IS NULL OR tags @> $1)
                 AND ($2::text IS NULL OR owner = $2)
                 AND ($3::text IS NULL OR status = $3)
                 AND ($4::timestamptz IS NULL OR created_at >= $4)
                 AND ($5::timestamptz IS NULL OR created_at < $5)
                 AND ($6::text IS NULL OR search @@ websearch_to_tsquery('simple', $6))
                 AND ($7::"#
                + $type
                + " IS NULL OR ("
                + $key
                + ", id) "
                + $beyond
                + " ($7, $8::uuid)) ORDER BY "
                + $key
                + " "
                + $direction
                + ", id "
                + $direction
                + " LIMIT $9",
            (!filter.tags.is_empty()).then_some(filter.tags.as_slice()),
            filter.owner.as_deref(),
            filter.status.map(ItemStatus::as_str),
            filter.created_from,
            filter.created_to,
            filter.text.as_deref(),
            $after_key,
            $query.after.map(|(_, id)| *id),
            $query.limit
        )
        .fetch_all($pool)
        .await
    }};
}

/// Runs the statement of the query's sort.
pub(super) async fn fetch(pool: &Pool, query: &PageQuery<'_>) -> Result<Vec<ItemRow>, sqlx::Error> {
    let (time, name) = match query.after {
        Some((SortKey::Time(time), _)) => (Some(*time), None),
        Some((SortKey::Name(name), _)) => (None, Some(name.as_str())),
        None => (None, None),
    };
    match query.sort {
        ItemSort::CreatedAt => item_page!(pool, query, "created_at", "timestamptz", ">", "ASC", time),
        ItemSort::CreatedAtDescending => {
            item_page!(pool, query, "created_at", "timestamptz", "<", "DESC", time)
        }
        ItemSort::UpdatedAt => item_page!(pool, query, "updated_at", "timestamptz", ">", "ASC", time),
        ItemSort::UpdatedAtDescending => {
            item_page!(pool, query, "updated_at", "timestamptz", "<", "DESC", time)
        }
        ItemSort::Name => item_page!(pool, query, "name", "text", ">", "ASC", name),
        ItemSort::NameDescending => item_page!(pool, query, "name", "text", "<", "DESC", name),
    }
}
