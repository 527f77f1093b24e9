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

/// Moves offsets from what the caller believes they are to the next, and holds their rows until the transaction ends.
///
/// Answers for each step whether it was made. Where it was not the offset is another, and was not changed: another
/// projector has come further, and the caller is late. This is the first statement of every transaction of batches, so that
/// projectors of one partition exclude each other; who moves several locks them in the order of their names.
pub(crate) async fn advance(
    transaction: &mut PgConnection,
    projection: i32,
    steps: &[Step<'_>],
) -> Result<Vec<bool>, sqlx::Error> {
    let topics: Vec<&str> = steps.iter().map(|step| step.topic).collect();
    let partitions: Vec<i32> = steps.iter().map(|step| step.partition).collect();
    let expected: Vec<i64> = steps.iter().map(|step| step.expected).collect();
    let next: Vec<i64> = steps.iter().map(|step| step.next).collect();
    let moved = sqlx::query!(
        "WITH step AS (
             SELECT * FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[])
                 AS s (topic, partition, expected, next)
         ), held AS (
             SELECT o.topic, o.partition
             FROM read.offsets o JOIN step s ON s.topic = o.topic AND s.partition = o.partition
             WHERE o.projection = $1 AND o.next_offset = s.expected
             ORDER BY o.topic, o.partition
             FOR UPDATE OF o
         )
         UPDATE read.offsets o SET next_offset = s.next
         FROM step s JOIN held h ON h.topic = s.topic AND h.partition = s.partition
         WHERE o.projection = $1 AND o.topic = s.topic AND o.partition = s.partition AND o.next_offset = s.expected
         RETURNING o.topic, o.partition",
        projection,
        &topics as &[&str],
        &partitions,
        &expected,
        &next
    )
    .fetch_all(transaction)
    .await?;
    let was_made = |step: &Step<'_>| {
        moved
            .iter()
            .any(|row| row.topic == step.topic && row.partition == step.partition)
    };
    Ok(steps.iter().map(was_made).collect())
}
