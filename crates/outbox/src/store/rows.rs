use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Store, timed};
use crate::{
    error::RelayError,
    relay::{Position, Unfinished},
    snapshot::Snapshot,
};

/// A row of the outbox as it is read.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub id: i64,
    pub xid: i64,
    pub aggregate_id: Uuid,
    pub aggregate_version: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub topic: String,
    pub occurred_at: OffsetDateTime,
    pub headers: String,
    pub payload: Vec<u8>,
}

/// How much of a shard is read at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimit {
    pub rows: i64,
    /// A page ends with the row that reaches this many bytes.
    pub bytes: i64,
}

/// A shard that is to be read, from a position on.
pub(crate) struct ReadRequest {
    pub shard: i16,
    pub from: Position,
}

/// What is new since the positions asked for.
pub(crate) struct NewRows {
    /// The snapshot in which it was read.
    pub snapshot: Snapshot,
    /// The shards that have something; none for one that has more than a page.
    pub shards: BTreeMap<i16, Option<Vec<Row>>>,
}

/// The next rows of a set that is larger than a page.
#[derive(Default)]
pub(crate) struct Page {
    pub rows: Vec<Row>,
    /// The set has more rows than these.
    pub more: bool,
}

/// A line of the answer of `read_new`; without a row if there is nothing new.
struct Line {
    snapshot: String,
    shard: Option<i16>,
    /// Rows of the shard's set, up to one more than the limit.
    found: Option<i64>,
    bytes: Option<i64>,
    id: Option<i64>,
    xid: Option<i64>,
    aggregate_id: Option<Uuid>,
    aggregate_version: Option<i64>,
    event_id: Option<Uuid>,
    event_type: Option<String>,
    topic: Option<String>,
    occurred_at: Option<OffsetDateTime>,
    headers: Option<String>,
    payload: Option<Vec<u8>>,
}

impl Line {
    fn into_row(self) -> Option<Row> {
        Some(Row {
            id: self.id?,
            xid: self.xid?,
            aggregate_id: self.aggregate_id?,
            aggregate_version: self.aggregate_version?,
            event_id: self.event_id?,
            event_type: self.event_type?,
            topic: self.topic?,
            occurred_at: self.occurred_at?,
            headers: self.headers?,
            payload: self.payload?,
        })
    }
}

impl Store {
    /// Reads what became visible since each shard's position, in one statement and so in one snapshot, in the order
    /// in which it is to be published.
    ///
    /// A row is new if its transaction is at or above the xmax of the position's snapshot, or was running in it: both
    /// are ranges of an index. The order is that of the aggregate's version, which was assigned under its lock; ids
    /// and transaction ids may have been drawn before it. A set of more than a page is left to
    /// [`Store::read_backlog`], so that the cost of this statement does not grow with a backlog.
    ///
    /// The statement must run in no transaction of its own: one that has an id is missing in its own snapshot.
    pub(crate) async fn read_new(
        &mut self,
        asked: &[ReadRequest],
        limit: PageLimit,
    ) -> Result<NewRows, RelayError> {
        let mut connection = self.connection().await?;
        let shards: Vec<i16> = asked.iter().map(|a| a.shard).collect();
        let xmax: Vec<i64> = asked.iter().map(|a| a.from.base.xmax()).collect();
        let running: Vec<String> = asked.iter().map(|a| a.from.base.running().to_owned()).collect();
        let query = sqlx::query_file_as!(
            Line,
            "src/store/read_new.sql",
            &shards,
            &xmax,
            &running,
            limit.rows,
            limit.bytes,
        );
        let lines = timed("read the outbox", self.limit, query.fetch_all(&mut connection)).await?;
        self.keep(connection);

        let text = lines
            .first()
            .map(|line| line.snapshot.clone())
            .unwrap_or_default();
        let snapshot = Snapshot::parse(text)?;
        let mut shards: BTreeMap<i16, Option<Vec<Row>>> = BTreeMap::new();
        for line in lines {
            let (Some(shard), Some(found), Some(bytes)) = (line.shard, line.found, line.bytes) else {
                continue;
            };
            let rows = shards.entry(shard).or_insert_with(|| Some(Vec::new()));
            if found > limit.rows || bytes > limit.bytes {
                *rows = None;
            } else if let (Some(rows), Some(row)) = (rows, line.into_row()) {
                rows.push(row);
            }
        }
        Ok(NewRows { snapshot, shards })
    }

    /// Reads the next page of each shard's unfinished set: what is visible in its target and not in its base, by id
    /// from the last acknowledged page on, and within the page in the order of the aggregates' versions. A page has the limit's
    /// rows and bytes, twice where late transactions have as many.
    ///
    /// Of one aggregate, ids grow with versions: an id is drawn by the insert that carries the version. (Were it not
    /// so, only two versions on different pages of one set could be confused, and the relay would park the aggregate.)
    pub(crate) async fn read_backlog(
        &mut self,
        asked: &[(i16, Snapshot, Unfinished)],
        limit: PageLimit,
    ) -> Result<BTreeMap<i16, Page>, RelayError> {
        let mut connection = self.connection().await?;
        let shards: Vec<i16> = asked.iter().map(|(shard, ..)| *shard).collect();
        let from_xmax: Vec<i64> = asked.iter().map(|(_, base, _)| base.xmax()).collect();
        let from_running: Vec<String> = asked
            .iter()
            .map(|(_, base, _)| base.running().to_owned())
            .collect();
        let until_xmax: Vec<i64> = asked.iter().map(|(.., set)| set.target.xmax()).collect();
        let until_running: Vec<String> = asked
            .iter()
            .map(|(.., set)| set.target.running().to_owned())
            .collect();
        let after_id: Vec<i64> = asked.iter().map(|(.., set)| set.after_id).collect();
        let query = sqlx::query_file!(
            "src/store/read_backlog.sql",
            &shards,
            &from_xmax,
            &from_running,
            &until_xmax,
            &until_running,
            &after_id,
            limit.rows,
            limit.bytes,
        );
        let lines = timed("read the backlog", self.limit, query.fetch_all(&mut connection)).await?;
        self.keep(connection);

        let mut found: BTreeMap<i16, FoundRows> = BTreeMap::new();
        for line in lines {
            let found = found.entry(line.shard).or_default();
            let rows = if line.is_late {
                &mut found.late
            } else {
                &mut found.rows
            };
            rows.push(Row {
                id: line.id,
                xid: line.xid,
                aggregate_id: line.aggregate_id,
                aggregate_version: line.aggregate_version,
                event_id: line.event_id,
                event_type: line.event_type,
                topic: line.topic,
                occurred_at: line.occurred_at,
                headers: line.headers,
                payload: line.payload,
            });
        }
        let pages = found.into_iter();
        Ok(pages
            .map(|(shard, found)| (shard, found.into_page(limit)))
            .collect())
    }
}

/// The first rows of an unfinished set, as two indexes have them.
#[derive(Default)]
struct FoundRows {
    rows: Vec<Row>,
    /// Of transactions that were running when the position was taken.
    late: Vec<Row>,
}

impl FoundRows {
    /// Both together, up to the last row of one that was cut: of it more may lie between the other's next rows.
    fn into_page(mut self, limit: PageLimit) -> Page {
        let cut = [&self.rows, &self.late]
            .into_iter()
            .filter(|rows| is_cut(rows, limit));
        let end = cut.filter_map(|rows| rows.iter().map(|row| row.id).max()).min();
        self.rows.append(&mut self.late);
        self.rows.retain(|row| end.is_none_or(|end| row.id <= end));
        self.rows
            .sort_unstable_by_key(|row| (row.aggregate_version, row.id));
        Page {
            rows: self.rows,
            more: end.is_some(),
        }
    }
}

/// Whether there may be more than these rows, which are as many as were asked for.
fn is_cut(rows: &[Row], limit: PageLimit) -> bool {
    let bytes: usize = rows.iter().map(|row| row.payload.len() + row.headers.len()).sum();
    rows.len() as i64 >= limit.rows || bytes as i64 >= limit.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, aggregate_version: i64) -> Row {
        Row {
            id,
            xid: 1,
            aggregate_id: Uuid::nil(),
            aggregate_version,
            event_id: Uuid::nil(),
            event_type: String::new(),
            topic: String::new(),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            headers: "h".to_owned(),
            payload: vec![0; 9],
        }
    }

    fn page(rows: &[(i64, i64)], late: &[(i64, i64)], limit: PageLimit) -> (Vec<i64>, bool) {
        let rows_of = |rows: &[(i64, i64)]| rows.iter().map(|(id, version)| row(*id, *version)).collect();
        let found = FoundRows {
            rows: rows_of(rows),
            late: rows_of(late),
        };
        let page = found.into_page(limit);
        (page.rows.iter().map(|row| row.id).collect(), page.more)
    }

    #[test]
    fn a_page_ends_where_one_of_its_parts_was_cut() {
        let limit = PageLimit {
            rows: 3,
            bytes: 1_000,
        };
        assert_eq!(page(&[(1, 2), (4, 1)], &[(2, 3)], limit), (vec![4, 1, 2], false));
        assert_eq!(
            page(&[(1, 1), (4, 1), (6, 1)], &[(5, 1), (9, 1)], limit),
            (vec![1, 4, 5, 6], true)
        );
        assert_eq!(
            page(&[(1, 1), (7, 1), (8, 1)], &[(2, 1), (3, 1), (5, 1)], limit),
            (vec![1, 2, 3, 5], true)
        );
        let few_bytes = PageLimit { rows: 3, bytes: 20 };
        assert_eq!(page(&[(1, 1), (4, 1)], &[(9, 1)], few_bytes), (vec![1, 4], true));
        assert_eq!(page(&[], &[], limit), (vec![], false));
    }
}
