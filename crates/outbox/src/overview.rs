//! The outbox as a person sees it.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// What waits, by shard, and what is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// All of them, by number.
    pub shards: Vec<ShardOverview>,
    /// Oldest first; at most 1,000.
    pub parked: Vec<ParkedOverview>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOverview {
    pub shard: i16,
    /// Whether a relay's lease on it has not run out.
    pub held: bool,
    /// Rows that the shard's stored position does not see: those that were acknowledged since it was stored are
    /// among them. Counted up to a bound.
    pub rows: i64,
    /// Whether there are more rows than were counted.
    pub capped: bool,
    /// When the oldest of the counted rows was written.
    pub oldest_at: Option<OffsetDateTime>,
}

/// An aggregate that waits to be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedOverview {
    pub aggregate_id: Uuid,
    pub shard: i16,
    pub parked_at: OffsetDateTime,
    pub reason: String,
    pub resume_requested: bool,
    pub rows: i64,
}

/// Looks at the outbox of the schema that the pool's search path names. Costs a few index probes a shard.
///
/// # Errors
/// Of the database.
pub async fn overview(pool: &PgPool) -> Result<Overview, sqlx::Error> {
    let shards = sqlx::query_file_as!(ShardOverview, "src/store/overview.sql")
        .fetch_all(pool)
        .await?;
    let parked = sqlx::query_as!(
        ParkedOverview,
        r#"SELECT a.aggregate_id, a.shard, a.parked_at, a.reason, a.resume_requested,
                  (SELECT count(*) FROM outbox_parked p WHERE p.aggregate_id = a.aggregate_id) AS "rows!"
           FROM outbox_parked_aggregates a ORDER BY a.parked_at, a.aggregate_id LIMIT 1000"#
    )
    .fetch_all(pool)
    .await?;
    Ok(Overview { shards, parked })
}
