//! Where the views stand in the log: `read.offsets`.
//!
//! Every place that the views keep is counted on where a log was lost and begins at 0 again: it is Kafka's offset and the
//! `log_base` of its partition. What comes from the consumer and goes to it are Kafka's offsets.

use depot_service::database::Pool;
use std::collections::BTreeMap;

use depot_consumer::{OffsetSource, OffsetUnavailable};
use sqlx::PgConnection;

/// The offsets of one version of the views.
#[derive(Debug, Clone)]
pub struct OffsetsTable {
    pool: Pool,
    projection: i32,
}

impl OffsetsTable {
    pub fn new(pool: Pool, projection: i32) -> Self {
        Self { pool, projection }
    }
}

impl OffsetSource for OffsetsTable {
    /// The next offset; 0 for a partition that was never read, which is remembered. Where the log begins later than
    /// that, the consumer finds it outside the log and stops the partition: events would be missing in the views.
    ///
    /// An error for a version of the views that is not fed any more: its offsets went first, and are not to come back.
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

async fn load(pool: &Pool, projection: i32, topic: &str, partition: i32) -> Result<i64, sqlx::Error> {
    // A new version of the views counts as the others do. Who drops one holds its row of the list for update.
    sqlx::query!(
        "INSERT INTO read.offsets (projection, topic, partition, next_offset, log_base)
         SELECT p.projection, $2, $3, known.log_base, known.log_base
         FROM read.projections p
         CROSS JOIN (SELECT coalesce(max(log_base), 0) AS log_base FROM read.offsets WHERE topic = $2 AND partition = $3)
              AS known
         WHERE p.projection = $1 AND p.state IN ('building', 'serving', 'standby')
         FOR SHARE OF p
         ON CONFLICT DO NOTHING",
        projection,
        topic,
        partition
    )
    .execute(pool)
    .await?;
    // A statement of its own: the one above does not see a row that another process inserted meanwhile.
    sqlx::query_scalar!(
        r#"SELECT next_offset - log_base AS "next_offset!" FROM read.offsets
           WHERE projection = $1 AND topic = $2 AND partition = $3"#,
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
/// Answers of each step that was made the base of its places. Where it was not the offset is another, and was not changed:
/// another projector has come further, and the caller is late; or it is [held](standing) before the step's end. This is the first
/// statement of every transaction of batches, so that
/// projectors of one partition exclude each other; who moves several locks them in the order of their names.
pub(crate) async fn advance(
    transaction: &mut PgConnection,
    projection: i32,
    steps: &[Step<'_>],
) -> Result<Vec<Option<i64>>, sqlx::Error> {
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
             WHERE o.projection = $1 AND o.next_offset = s.expected + o.log_base
               AND (o.hold_at IS NULL OR s.next + o.log_base <= o.hold_at OR o.held_until <= clock_timestamp())
             ORDER BY o.topic, o.partition
             FOR UPDATE OF o
         )
         UPDATE read.offsets o SET next_offset = s.next + o.log_base
         FROM step s JOIN held h ON h.topic = s.topic AND h.partition = s.partition
         WHERE o.projection = $1 AND o.topic = s.topic AND o.partition = s.partition
             AND o.next_offset = s.expected + o.log_base
         RETURNING o.topic, o.partition, o.log_base",
        projection,
        &topics as &[&str],
        &partitions,
        &expected,
        &next
    )
    .fetch_all(transaction)
    .await?;
    let base_of = |step: &Step<'_>| {
        let mut moved = moved.iter();
        let made = moved.find(|row| row.topic == step.topic && row.partition == step.partition);
        made.map(|row| row.log_base)
    };
    Ok(steps.iter().map(base_of).collect())
}

/// The bases of the partitions of a transaction.
#[derive(Debug, Default)]
pub(crate) struct LogBases<'a>(BTreeMap<(&'a str, i32), i64>);

impl<'a> LogBases<'a> {
    /// Of steps, and what [`advance`] answered.
    pub(crate) fn of(steps: &[Step<'a>], made: &[Option<i64>]) -> Self {
        let bases = steps.iter().zip(made).filter_map(|(step, base)| {
            let place = (step.topic, step.partition);
            Some((place, (*base)?))
        });
        Self(bases.collect())
    }

    /// The place of Kafka's `offset` in this partition.
    pub(crate) fn place(&self, topic: &str, partition: i32, offset: i64) -> i64 {
        offset + self.0.get(&(topic, partition)).copied().unwrap_or(0)
    }
}

/// Where a partition stands whose step was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// At another offset, or nowhere.
    Elsewhere,
    /// Where it was expected to, and may not go past this offset for now.
    HeldAt(i64),
    /// Where it was expected to, and nothing holds it any more.
    Free,
}

/// Where a partition stands that was expected to stand at `expected`.
pub(crate) async fn standing(
    pool: &Pool,
    projection: i32,
    topic: &str,
    partition: i32,
    expected: i64,
) -> Result<Standing, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "SELECT CASE WHEN held_until > clock_timestamp() THEN hold_at - log_base END FROM read.offsets
         WHERE projection = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 + log_base",
        projection,
        topic,
        partition,
        expected
    );
    Ok(match found.fetch_optional(pool).await? {
        None => Standing::Elsewhere,
        Some(None) => Standing::Free,
        Some(Some(at)) => Standing::HeldAt(at),
    })
}
