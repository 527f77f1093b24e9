//! Every statement that is sent to Postgres, one function each. All of them take the pointer to the serving version
//! of the views in the same statement, so that a switch of versions is never seen half.

use std::{sync::Arc, time::Duration};

use depot_domain::{ItemId, UploadId, VersionToken};
use depot_read_model::{EntityKind, OwnerStatistics, TagStatistics};
use depot_retry::{Breaker, BreakerSettings, Bulkhead};
use depot_service::database::{Pool, count_fault, is_away};
use depot_spans::database;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    ReadError,
    item_pages::{self, PageQuery},
    newest_pages::NewestPage,
    rows::{HistoryRow, ItemRow, PointerRow, TailRow, UploadRow, ViewExtent, ViewPosition},
    traced::{self, Traced},
};

/// Changes of one partition of the log in one look at the tail; a literal in its statement, which is planned once.
pub const TAIL_PAGE: i64 = 32;
/// Longer than a connection may take to be had and a statement may run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// A pool whose database is away lets each caller wait for as long as a connection may take to be had. The pointer is
/// looked up all the time, also then, so that it is found out soon when the database is back.
const BREAKER: BreakerSettings = BreakerSettings {
    failures: 5,
    quiet: Duration::from_secs(1),
    rest: Duration::from_secs(1),
};

/// The tables, as traces name what a statement asks.
const ITEMS: &str = "read.items";
const HISTORY: &str = "read.item_history";
const UPLOADS: &str = "read.uploads";
const TAGS: &str = "read.tag_statistics";
const OWNERS: &str = "read.owner_statistics";
const OFFSETS: &str = "read.offsets";

/// What is asked, for messages, and the table that it is asked of.
type Question = (&'static str, &'static str);

/// Which server the views are read in.
#[derive(Debug, Clone, Copy)]
pub enum Server {
    Primary,
    /// It may lag.
    Replica,
}

impl Server {
    /// Its breaker's and its searches' names in metrics.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Primary => ("postgres", "searches"),
            Self::Replica => ("postgres replica", "searches of the replica"),
        }
    }
}

/// Connections to one server: a burst of slow searches must not keep single reads waiting.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Reads by key, the pointer, and the tails of streams.
    pub point: Pool,
    /// Lists, searches, statistics. Its connections plan every execution for its parameters
    /// ([`Plans::Anew`](depot_service::database::Plans::Anew)): a generic plan of a statement with optional filters scans the table.
    pub search: Pool,
    /// The newest pages of lists, whose plans are kept ([`Plans::Ordered`](depot_service::database::Plans::Ordered)).
    pub newest: Pool,
}

/// The views in Postgres.
#[derive(Debug, Clone)]
pub struct Views {
    pub(super) pools: Pools,
    /// Those who may wait for a connection for a list, a search or statistics, and those who have one.
    searches: Bulkhead,
    /// Half of the connections of `point` for the tails of streams, so that others find one.
    tails: Arc<Semaphore>,
    breaker: Arc<Breaker>,
}

impl Views {
    /// With so many places for lists, searches and statistics.
    pub fn new(server: Server, pools: Pools, max_searches: usize) -> Self {
        let (name, searches) = server.names();
        let tails = (pools.point.options().get_max_connections() / 2).max(1);
        Self {
            tails: Arc::new(Semaphore::new(tails as usize)),
            pools,
            searches: Bulkhead::new(searches, max_searches),
            breaker: Arc::new(Breaker::new(name, BREAKER)),
        }
    }

    /// The item, or its tombstone.
    pub async fn item(&self, id: ItemId) -> Result<Option<ItemRow>, ReadError> {
        let query = sqlx::query_as!(
            ItemRow,
            r#"SELECT projection, id, owner, name, description, tags, attributes AS "attributes: _", status,
                      files AS "files: _", epoch, version, created_at, updated_at, deleted
               FROM read.items
               WHERE projection = (SELECT projection FROM read.active_projection) AND id = $1"#,
            id.0
        );
        self.answer(("an item", ITEMS), query.fetch_optional(&self.pools.point))
            .await
    }

    /// Those of the items that are there, tombstones included, in no order.
    pub async fn items(&self, ids: &[ItemId]) -> Result<Vec<ItemRow>, ReadError> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let query = sqlx::query_as!(
            ItemRow,
            // A probe of the primary key for each: with `= ANY` the planner may read the projection whole.
            r#"SELECT item.projection, item.id, owner, name, description, tags, attributes AS "attributes: _", status,
                      files AS "files: _", epoch, version, created_at, updated_at, deleted
               FROM read.active_projection AS active
               CROSS JOIN unnest($1::uuid[]) AS wanted (id)
               CROSS JOIN LATERAL (
                   SELECT t.* FROM read.items t WHERE t.projection = active.projection AND t.id = wanted.id OFFSET 0
               ) AS item"#,
            &ids
        );
        self.answer(("a batch of items", ITEMS), query.fetch_all(&self.pools.point))
            .await
    }

    /// A page of items that are not deleted; see [`item_pages`] and [`super::newest_pages`].
    pub async fn item_page(&self, query: &PageQuery<'_>) -> Result<Vec<ItemRow>, ReadError> {
        let asked = async {
            match NewestPage::of(query) {
                Some(newest) => newest.fetch(&self.pools.newest).await,
                None => item_pages::fetch(&self.pools.search, query).await,
            }
        };
        self.search(("a page of items", ITEMS), asked).await
    }

    /// At most `limit` changes of an item below `before`, the newest first; none of them is dated before `since`, which
    /// spares a look into the partitions before it. What is older than the history by now is left out, also where it is
    /// still there.
    pub async fn item_history(
        &self,
        id: ItemId,
        before: VersionToken,
        since: Option<OffsetDateTime>,
        limit: i64,
    ) -> Result<Vec<HistoryRow>, ReadError> {
        let query = sqlx::query_as!(
            HistoryRow,
            r#"SELECT item_id, epoch, version, event_id, event_type, causation_id, actor, changed,
                      item AS "item: _", occurred_at
               FROM read.item_history
               WHERE projection = (SELECT projection FROM read.active_projection) AND item_id = $1
                 AND (epoch, version) < ($2, $3)
                 AND occurred_at >= coalesce($4, '-infinity'::timestamptz)
                 AND occurred_at >= (SELECT kept_from FROM read.item_history_kept)
               ORDER BY epoch DESC, version DESC
               LIMIT $5"#,
            id.0,
            before.epoch,
            before.version,
            since,
            limit
        );
        self.search(
            ("an item's history", HISTORY),
            query.fetch_all(&self.pools.search),
        )
        .await
    }

    pub async fn upload(&self, id: UploadId) -> Result<Option<UploadRow>, ReadError> {
        let query = sqlx::query_as!(
            UploadRow,
            r#"SELECT projection, id, item_id, owner, file_name, content_type, size_bytes, sha256, status, reason,
                      object_key, epoch, version, created_at, updated_at, expires_at, thumbnail AS "thumbnail: _"
               FROM read.uploads
               WHERE projection = (SELECT projection FROM read.active_projection) AND id = $1"#,
            id.0
        );
        self.answer(("an upload", UPLOADS), query.fetch_optional(&self.pools.point))
            .await
    }

    /// The `limit` tags with the most items.
    pub async fn tag_statistics(&self, limit: i64) -> Result<Vec<TagStatistics>, ReadError> {
        let query = sqlx::query_as!(
            TagStatistics,
            r#"SELECT tag, items FROM read.tag_statistics
               WHERE projection = (SELECT projection FROM read.active_projection) AND items > 0
               ORDER BY items DESC, tag COLLATE "C"
               LIMIT $1"#,
            limit
        );
        self.search(
            ("the statistics of tags", TAGS),
            query.fetch_all(&self.pools.search),
        )
        .await
    }

    /// The `limit` owners with the most items.
    pub async fn owner_statistics(&self, limit: i64) -> Result<Vec<OwnerStatistics>, ReadError> {
        let query = sqlx::query_as!(
            OwnerStatistics,
            r#"SELECT owner, items, files, file_bytes FROM read.owner_statistics
               WHERE projection = (SELECT projection FROM read.active_projection) AND items > 0
               ORDER BY items DESC, owner COLLATE "C"
               LIMIT $1"#,
            limit
        );
        self.search(
            ("the statistics of owners", OWNERS),
            query.fetch_all(&self.pools.search),
        )
        .await
    }

    /// The pointer; none before the first migration has run to its end.
    pub async fn pointer(&self) -> Result<Option<PointerRow>, ReadError> {
        let query = sqlx::query_as!(
            PointerRow,
            "SELECT p.projection, g.generation FROM read.active_projection p CROSS JOIN read.cache_generation g"
        );
        answer_with(
            &self.breaker,
            ("the pointer to the views", "read.active_projection"),
            query.fetch_optional(&self.pools.point),
        )
        .await
    }

    /// How far the views have each partition of these topics, and from where on all of it is there.
    pub async fn extents(&self, topics: &[String]) -> Result<Vec<ViewExtent>, ReadError> {
        let query = sqlx::query_as!(
            ViewExtent,
            r#"SELECT o.topic, o.partition, coalesce(g.first_offset, 0) AS "first_offset!", o.next_offset
               FROM read.offsets o LEFT JOIN read.item_history_floors g USING (projection, topic, partition)
               WHERE o.projection = (SELECT projection FROM read.active_projection) AND o.topic = ANY($1)
               ORDER BY o.topic, o.partition"#,
            topics
        );
        self.answer(
            ("the positions of the views", OFFSETS),
            query.fetch_all(&self.pools.search),
        )
        .await
    }

    /// For each partition of `topics`, at most [`TAIL_PAGE`] changes from its position in `from` on (from its start where
    /// it has none), in the order of the log, with how far the views have the partition.
    ///
    /// One statement sees one moment: every change below the position in a row is among the rows, or filtered out by
    /// the limit. Rows and position are written in one transaction, and dropped in one with the offset up to which some
    /// are missing, which is in each row too.
    ///
    /// It names every partition of the history's table, and planning it costs more than running it. Nothing in it asks for
    /// another plan with other parameters, so it runs where plans are kept.
    pub async fn tail(&self, topics: &[String], from: Vec<ViewPosition>) -> Result<Vec<TailRow>, ReadError> {
        let from = from
            .into_iter()
            .map(|at| (at.topic, at.partition, at.next_offset));
        let (named, partitions, offsets): (Vec<String>, Vec<i32>, Vec<i64>) = from.collect();
        let query = sqlx::query!(
            r#"SELECT o.topic, o.partition, coalesce(g.first_offset, 0) AS "first_offset!", o.next_offset,
                      h."offset" AS "offset?", h.item_id AS "item_id?",
                      h.epoch AS "epoch?", h.version AS "version?", h.event_id AS "event_id?",
                      h.event_type AS "event_type?", h.causation_id AS "causation_id?", h.actor AS "actor?",
                      h.changed AS "changed?", h.item AS "item?: sqlx::types::Json<depot_schemas::ItemState>",
                      h.occurred_at AS "occurred_at?"
               FROM read.offsets o
               LEFT JOIN unnest($2::text[], $3::integer[], $4::bigint[]) AS f (topic, partition, "from")
                      ON f.topic = o.topic AND f.partition = o.partition
               LEFT JOIN read.item_history_floors g
                      ON g.projection = o.projection AND g.topic = o.topic AND g.partition = o.partition
               LEFT JOIN LATERAL (
                   SELECT * FROM read.item_history i
                   WHERE i.projection = o.projection AND i.topic = o.topic AND i.partition = o.partition
                     AND i."offset" >= coalesce(f."from", 0)
                   ORDER BY i."offset"
                   LIMIT 32
               ) h ON true
               WHERE o.projection = (SELECT projection FROM read.active_projection) AND o.topic = ANY($1)
                 AND o.next_offset > coalesce(f."from", 0)
               ORDER BY o.topic, o.partition, h."offset""#,
            topics,
            &named,
            &partitions,
            &offsets
        );
        let asked = async {
            // Closed by nobody.
            let _turn = self.tails.acquire().await;
            query.fetch_all(&self.pools.point).await
        };
        let rows = self.answer(("the tail of the history", HISTORY), asked).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let change = (|| {
                    let history = HistoryRow {
                        item_id: row.item_id?,
                        epoch: row.epoch?,
                        version: row.version?,
                        event_id: row.event_id?,
                        event_type: row.event_type?,
                        causation_id: row.causation_id?,
                        actor: row.actor?,
                        changed: row.changed?,
                        item: row.item?,
                        occurred_at: row.occurred_at?,
                    };
                    Some((row.offset?, history))
                })();
                TailRow {
                    at: ViewExtent {
                        topic: row.topic,
                        partition: row.partition,
                        first_offset: row.first_offset,
                        next_offset: row.next_offset,
                    },
                    change,
                }
            })
            .collect())
    }

    /// The answer of a statement that may take long, unless as many are asked for as have places.
    pub(super) async fn search<T>(
        &self,
        question: Question,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, ReadError> {
        let Some(_place) = self.searches.enter() else {
            return Err(ReadError::Crowded { question: question.0 });
        };
        self.answer(question, asked).await
    }

    /// A statement's answer, unless Postgres is away.
    /// What there is of one id, for a person who follows it.
    pub async fn traced(&self, kind: EntityKind, id: Uuid) -> Result<Traced, ReadError> {
        let table = match kind {
            EntityKind::Item => ITEMS,
            EntityKind::Upload => UPLOADS,
        };
        self.answer(("an id", table), traced::look(&self.pools.point, kind, id))
            .await
    }

    pub(super) async fn answer<T>(
        &self,
        question: Question,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, ReadError> {
        if !self.breaker.admits() {
            return Err(ReadError::Away { question: question.0 });
        }
        answer_with(&self.breaker, question, asked).await
    }
}

/// A statement's answer, waited for on this side too: the server's own limit ends nothing when the server is stopped.
async fn answer_with<T>(
    breaker: &Breaker,
    (question, table): Question,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ReadError> {
    let span = database::select(table);
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked).await;
    breaker.note(match &answer {
        Ok(answer) => answer.as_ref().is_err_and(is_away),
        Err(_) => true,
    });
    let answer = match answer {
        Ok(answer) => answer.map_err(|source| {
            count_fault(&source);
            ReadError::Database { question, source }
        }),
        Err(_) => Err(ReadError::Timeout {
            question,
            limit: ANSWER_TIMEOUT,
        }),
    };
    if let Some(span) = span {
        span.end_as(answer.as_ref().err().map(ReadError::error_type));
    }
    answer
}
