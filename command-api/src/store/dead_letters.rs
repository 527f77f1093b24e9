//! The index of dead letters.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;

/// What names a dead letter: which group could not handle what lay where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterId {
    pub group: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// A row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub consumer_group: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub reason: String,
    pub detail: String,
    pub attempts: i32,
    pub first_failed_at: OffsetDateTime,
    pub failed_at: OffsetDateTime,
    pub dlq_topic: String,
    pub dlq_partition: i32,
    pub dlq_offset: i64,
    pub state: String,
}

/// Which dead letters are meant; what is none restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub group: Option<String>,
    /// The topic that the message was read from first.
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub reason: Option<String>,
    pub key: Option<Vec<u8>>,
    pub failed_from: Option<OffsetDateTime>,
    pub failed_before: Option<OffsetDateTime>,
    pub state: Option<String>,
}

impl From<DeadLetterId> for Filter {
    fn from(id: DeadLetterId) -> Self {
        Self {
            group: Some(id.group),
            topic: Some(id.topic),
            partition: Some(id.partition),
            offset: Some(id.offset),
            ..Self::default()
        }
    }
}

/// Notes a letter. A double of one that is known changes nothing but its position; one that was given up once more is
/// open again.
pub async fn upsert(conn: &mut PgConnection, letter: &DeadLetter) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO command.dead_letters AS known
               (consumer_group, topic, partition, "offset", key, reason, detail, attempts, first_failed_at, failed_at,
                dlq_topic, dlq_partition, dlq_offset)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
           ON CONFLICT (consumer_group, topic, partition, "offset") DO UPDATE
           SET dlq_offset = EXCLUDED.dlq_offset, dlq_partition = EXCLUDED.dlq_partition,
               reason = EXCLUDED.reason, detail = EXCLUDED.detail, failed_at = EXCLUDED.failed_at,
               attempts = EXCLUDED.attempts,
               state = CASE WHEN EXCLUDED.attempts > known.attempts THEN 'open' ELSE known.state END,
               due_at = CASE WHEN EXCLUDED.attempts > known.attempts THEN NULL ELSE known.due_at END,
               changed_at = now()
           WHERE EXCLUDED.attempts > known.attempts
              OR (EXCLUDED.attempts = known.attempts AND EXCLUDED.dlq_offset > known.dlq_offset)"#,
        letter.consumer_group,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.key,
        letter.reason,
        letter.detail,
        letter.attempts,
        letter.first_failed_at,
        letter.failed_at,
        letter.dlq_topic,
        letter.dlq_partition,
        letter.dlq_offset,
    )
    .execute(conn)
    .await
    .map(drop)
    .map_err(StoreError::doing("note a dead letter"))
}

/// Up to `limit` letters after `after`, by the time of their last failure, oldest first.
pub async fn page(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<(OffsetDateTime, DeadLetterId)>,
    limit: i64,
) -> Result<Vec<DeadLetter>, StoreError> {
    let (time, id) = after.unzip();
    let (group, topic) = id.as_ref().map(|id| (&*id.group, &*id.topic)).unzip();
    sqlx::query_as!(
        DeadLetter,
        r#"SELECT consumer_group, topic, partition, "offset", key, reason, detail, attempts, first_failed_at,
                  failed_at, dlq_topic, dlq_partition, dlq_offset, state
           FROM command.dead_letters
           WHERE ($1::text IS NULL OR consumer_group = $1) AND ($2::text IS NULL OR topic = $2)
             AND ($3::integer IS NULL OR partition = $3) AND ($4::bigint IS NULL OR "offset" = $4)
             AND ($5::text IS NULL OR reason = $5) AND ($6::bytea IS NULL OR key = $6)
             AND ($7::timestamptz IS NULL OR failed_at >= $7) AND ($8::timestamptz IS NULL OR failed_at < $8)
             AND ($9::text IS NULL OR state = $9)
             AND ($10::timestamptz IS NULL
                  OR (failed_at, consumer_group, topic, partition, "offset") > ($10, $11::text, $12::text, $13, $14))
           ORDER BY failed_at, consumer_group, topic, partition, "offset" LIMIT $15"#,
        filter.group,
        filter.topic,
        filter.partition,
        filter.offset,
        filter.reason,
        filter.key,
        filter.failed_from,
        filter.failed_before,
        filter.state,
        time,
        group,
        topic,
        id.as_ref().map(|id| id.partition),
        id.as_ref().map(|id| id.offset),
        limit,
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("list dead letters"))
}

/// Discards the open letters that are meant, and answers how many it were; with `dry_run`, how many it would be.
pub async fn discard(conn: &mut PgConnection, filter: &Filter, dry_run: bool) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"WITH meant AS (
               SELECT consumer_group, topic, partition, "offset" FROM command.dead_letters
               WHERE state = 'open'
                 AND ($1::text IS NULL OR consumer_group = $1) AND ($2::text IS NULL OR topic = $2)
                 AND ($3::integer IS NULL OR partition = $3) AND ($4::bigint IS NULL OR "offset" = $4)
                 AND ($5::text IS NULL OR reason = $5) AND ($6::bytea IS NULL OR key = $6)
                 AND ($7::timestamptz IS NULL OR failed_at >= $7) AND ($8::timestamptz IS NULL OR failed_at < $8)),
           discarded AS (
               UPDATE command.dead_letters letter SET state = 'discarded', changed_at = now()
               FROM meant
               WHERE NOT $9::boolean AND letter.state = 'open'
                 AND (letter.consumer_group, letter.topic, letter.partition, letter."offset")
                     = (meant.consumer_group, meant.topic, meant.partition, meant."offset")
               RETURNING 1)
           SELECT CASE WHEN $9 THEN (SELECT count(*) FROM meant) ELSE (SELECT count(*) FROM discarded) END
                  AS "count!""#,
        filter.group,
        filter.topic,
        filter.partition,
        filter.offset,
        filter.reason,
        filter.key,
        filter.failed_from,
        filter.failed_before,
        dry_run,
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("discard dead letters"))
}

/// Lets the open letters that are meant be redriven, oldest first, so many a second, and answers how many it were; with
/// `dry_run`, how many it would be. Only letters of the sources, each `(group, topic)`, that can be redriven.
pub async fn begin_redrive(
    conn: &mut PgConnection,
    filter: &Filter,
    sources: &[(String, String)],
    rate: i32,
    dry_run: bool,
) -> Result<i64, StoreError> {
    let (groups, topics): (Vec<String>, Vec<String>) = sources.iter().cloned().unzip();
    sqlx::query_scalar!(
        r#"WITH meant AS (
               SELECT consumer_group, topic, partition, "offset",
                      row_number() OVER (ORDER BY topic, partition, "offset") - 1 AS place
               FROM command.dead_letters
               WHERE state = 'open'
                 AND ($1::text IS NULL OR consumer_group = $1) AND ($2::text IS NULL OR topic = $2)
                 AND ($3::integer IS NULL OR partition = $3) AND ($4::bigint IS NULL OR "offset" = $4)
                 AND ($5::text IS NULL OR reason = $5) AND ($6::bytea IS NULL OR key = $6)
                 AND ($7::timestamptz IS NULL OR failed_at >= $7) AND ($8::timestamptz IS NULL OR failed_at < $8)
                 AND (consumer_group, topic) IN (SELECT * FROM unnest($9::text[], $10::text[]))),
           begun AS (
               UPDATE command.dead_letters letter
               SET state = 'redriving', changed_at = now(),
                   due_at = now() + make_interval(secs => meant.place::float8 / $11::integer)
               FROM meant
               WHERE NOT $12::boolean AND letter.state = 'open'
                 AND (letter.consumer_group, letter.topic, letter.partition, letter."offset")
                     = (meant.consumer_group, meant.topic, meant.partition, meant."offset")
               RETURNING 1)
           SELECT CASE WHEN $12 THEN (SELECT count(*) FROM meant) ELSE (SELECT count(*) FROM begun) END AS "count!""#,
        filter.group,
        filter.topic,
        filter.partition,
        filter.offset,
        filter.reason,
        filter.key,
        filter.failed_from,
        filter.failed_before,
        &groups,
        &topics,
        rate,
        dry_run,
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("begin to redrive dead letters"))
}

/// Takes letters that are due, for so long; one of a key is taken when none before it is still to be redriven.
pub async fn take_due(
    conn: &mut PgConnection,
    limit: i64,
    lease_seconds: f64,
) -> Result<Vec<DeadLetter>, StoreError> {
    sqlx::query_as!(
        DeadLetter,
        r#"UPDATE command.dead_letters letter SET due_at = now() + make_interval(secs => $2::float8)
           FROM (SELECT due.consumer_group, due.topic, due.partition, due."offset"
                 FROM command.dead_letters due
                 WHERE due.state = 'redriving' AND due.due_at <= now()
                   AND NOT EXISTS (SELECT FROM command.dead_letters older
                                   WHERE older.state = 'redriving' AND older.consumer_group = due.consumer_group
                                     AND older.topic = due.topic AND older.partition = due.partition
                                     AND older.key = due.key AND older."offset" < due."offset")
                 ORDER BY due.due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS taken
           WHERE (letter.consumer_group, letter.topic, letter.partition, letter."offset")
                 = (taken.consumer_group, taken.topic, taken.partition, taken."offset")
           RETURNING letter.consumer_group, letter.topic, letter.partition, letter."offset", letter.key, letter.reason,
                     letter.detail, letter.attempts, letter.first_failed_at, letter.failed_at, letter.dlq_topic,
                     letter.dlq_partition, letter.dlq_offset, letter.state"#,
        limit,
        lease_seconds,
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("take dead letters to redrive"))
}

/// The letter lies in its retry topic. One that has come back meanwhile stays open.
pub async fn mark_redriven(conn: &mut PgConnection, letter: &DeadLetter) -> Result<(), StoreError> {
    sqlx::query!(
        r#"UPDATE command.dead_letters SET state = 'redriven', due_at = NULL, changed_at = now()
           WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND "offset" = $4 AND state = 'redriving'
             AND attempts = $5"#,
        letter.consumer_group,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.attempts,
    )
    .execute(conn)
    .await
    .map(drop)
    .map_err(StoreError::doing("mark a dead letter as redriven"))
}

/// The open letters of one group and source topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLetters {
    /// `other` for all that are not declared.
    pub consumer_group: String,
    /// As the group.
    pub topic: String,
    pub open: i64,
    /// When the one failed that has lain there longest.
    pub oldest: OffsetDateTime,
}

/// How many letters are open, by group and source topic. A letter says itself where it is from, and whoever may write to a
/// topic of dead letters can have it say anything: what is not among these groups and topics is counted together.
pub async fn depth(
    conn: &mut PgConnection,
    groups: &[String],
    topics: &[String],
) -> Result<Vec<OpenLetters>, StoreError> {
    sqlx::query_as!(
        OpenLetters,
        r#"SELECT CASE WHEN consumer_group = ANY($1) THEN consumer_group ELSE 'other' END AS "consumer_group!",
                  CASE WHEN topic = ANY($2) THEN topic ELSE 'other' END AS "topic!",
                  count(*) AS "open!", min(failed_at) AS "oldest!"
           FROM command.dead_letters WHERE state = 'open' GROUP BY 1, 2"#,
        groups,
        topics,
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("count open dead letters"))
}
