//! Where the views stand in the log: `read.offsets`.

use depot_consumer::{OffsetSource, OffsetUnavailable};
use sqlx::{PgConnection, PgPool};

/// The offsets of one version of the views.
#[derive(Debug, Clone)]
pub struct OffsetsTable {
    pool: PgPool,
    projection: i32,
}

impl OffsetsTable {
    pub fn new(pool: PgPool, projection: i32) -> Self {
        Self { pool, projection }
    }
}

impl OffsetSource for OffsetsTable {
    /// The next offset; 0 for a partition that was never read, which is remembered. Where the log begins later than
    /// that, the consumer finds it outside the log and stops the partition: events would be missing in the views.
    async fn load(&self, topic: &str, partition: i32) -> Result<i64, OffsetUnavailable> {
        load(&self.pool, self.projection, topic, partition)
            .await
            .map_err(|source| {
                OffsetUnavailable::new(
                    format!("read the stored offset of {topic} [{partition}] from Postgres"),
                    source,
                )
            })
    }
}

async fn load(pool: &PgPool, projection: i32, topic: &str, partition: i32) -> Result<i64, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO read.offsets (projection, topic, partition, next_offset) VALUES ($1, $2, $3, 0)
         ON CONFLICT DO NOTHING",
        projection,
        topic,
        partition
    )
    .execute(pool)
    .await?;
    // A statement of its own: the one above does not see a row that another process inserted meanwhile.
    sqlx::query_scalar!(
        "SELECT next_offset FROM read.offsets WHERE projection = $1 AND topic = $2 AND partition = $3",
        projection,
        topic,
        partition
    )
    .fetch_one(pool)
    .await
}

/// A batch's place in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) expected: i64,
    pub(crate) next: i64,
}

/// Moves an offset from what the caller believes it is to the next, and holds its row until the transaction ends.
///
/// False if it is another, and nothing was changed: another projector has come further, and the caller is late. This
/// is the first statement of every transaction of a batch, so that projectors of one partition exclude each other.
pub(crate) async fn advance(
    transaction: &mut PgConnection,
    projection: i32,
    step: Step<'_>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query!(
        "UPDATE read.offsets SET next_offset = $5
         WHERE projection = $1 AND topic = $2 AND partition = $3 AND next_offset = $4",
        projection,
        step.topic,
        step.partition,
        step.expected,
        step.next
    )
    .execute(transaction)
    .await?;
    Ok(moved.rows_affected() == 1)
}
