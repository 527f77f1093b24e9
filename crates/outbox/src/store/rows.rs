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
    /// from the last acknowledged page on, and within the page in the order of the aggregates' versions.
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

        let mut pages: BTreeMap<i16, (Page, i64)> = BTreeMap::new();
        for line in lines {
            let (page, found) = pages.entry(line.shard).or_default();
            *found = line.found;
            page.rows.push(Row {
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
        let finish = |(shard, (mut page, found)): (i16, (Page, i64))| {
            page.more = found >= limit.rows || (page.rows.len() as i64) < found;
            (shard, page)
        };
        Ok(pages.into_iter().map(finish).collect())
    }
}
