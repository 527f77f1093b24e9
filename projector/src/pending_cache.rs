//! Rows whose change Redis has not taken yet: `read.pending_cache`. Noted in the batch's transaction, removed when
//! Redis took the entries, or when the generation was raised so that nobody reads what Redis has instead.

use depot_service::database::Pool;
use std::time::Duration;

use depot_domain::VersionToken;
use depot_read_model::EntityKind;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projections::SHAPE;

/// A changed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedRow {
    pub kind: EntityKind,
    pub id: Uuid,
    pub version: VersionToken,
}

/// Ids, epochs and versions of rows as columns for UNNEST, sorted by (kind, id): the order in which they are locked.
struct Columns {
    kinds: Vec<String>,
    ids: Vec<Uuid>,
    epochs: Vec<i32>,
    versions: Vec<i64>,
}

impl Columns {
    fn of(rows: &[ChangedRow]) -> Self {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (row.kind.as_str(), row.id));
        Self {
            kinds: rows.iter().map(|row| row.kind.as_str().to_owned()).collect(),
            ids: rows.iter().map(|row| row.id).collect(),
            epochs: rows.iter().map(|row| row.version.epoch).collect(),
            versions: rows.iter().map(|row| row.version.version).collect(),
        }
    }
}

/// How the cache is to be told of a transaction's changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    /// Whether it is: readers are answered from this version of the views. What others change is nobody's business yet.
    pub(crate) serves: bool,
    /// The generation under which the entries are to be written.
    pub(crate) generation: i64,
}

/// Notes changed rows in the transaction that changed them, if they are those of the version of the views that serves.
///
/// The transaction has taken offsets of its version before, which a switch takes too: so it sees the pointer as it is until it
/// ends.
pub(crate) async fn note(
    transaction: &mut PgConnection,
    projection: i32,
    rows: &[ChangedRow],
) -> Result<Telling, sqlx::Error> {
    let columns = Columns::of(rows);
    sqlx::query_as!(
        Telling,
        r#"WITH active AS (
             SELECT projection = $1 AS serves FROM read.active_projection
         ), noted AS (
             INSERT INTO read.pending_cache AS p (projection, kind, id, epoch, version)
             SELECT $1, c.kind, c.id, c.epoch, c.version
             FROM unnest($2::text[], $3::uuid[], $4::integer[], $5::bigint[]) AS c (kind, id, epoch, version)
             WHERE (SELECT serves FROM active)
             ON CONFLICT (projection, kind, id) DO UPDATE SET epoch = EXCLUDED.epoch, version = EXCLUDED.version
             WHERE (p.epoch, p.version) < (EXCLUDED.epoch, EXCLUDED.version)
         )
         SELECT (SELECT serves FROM active) AS "serves!", generation FROM read.cache_generation"#,
        projection,
        &columns.kinds,
        &columns.ids,
        &columns.epochs,
        &columns.versions
    )
    .fetch_one(transaction)
    .await
}

/// Removes rows that Redis has taken in `generation`, unless a newer change was noted.
///
/// Not if the generation was raised meanwhile: readers then look elsewhere, and the rows are written there by the
/// upkeep. Rows that another transaction is changing are left to it. The disk is not waited for: rows that come back when
/// the server dies are written to Redis once more.
pub(crate) async fn clear(
    pool: &Pool,
    projection: i32,
    generation: i64,
    rows: &[ChangedRow],
) -> Result<u64, sqlx::Error> {
    let columns = Columns::of(rows);
    let cleared = sqlx::query!(
        "WITH taken AS (
             -- A probe of the primary key for each, in the order in which rows are locked.
             SELECT p.place
             FROM unnest($3::text[], $4::uuid[], $5::integer[], $6::bigint[]) AS c (kind, id, epoch, version)
             CROSS JOIN LATERAL (
                 SELECT p.ctid AS place
                 FROM read.pending_cache p
                 WHERE p.projection = $1 AND p.kind = c.kind AND p.id = c.id
                   AND (p.epoch, p.version) <= (c.epoch, c.version)
                 FOR UPDATE SKIP LOCKED
             ) AS p
             WHERE (SELECT generation FROM read.cache_generation) = $2
         ), unhurried AS MATERIALIZED (
             SELECT set_config('synchronous_commit', 'off', true) AS setting
         )
         DELETE FROM read.pending_cache p
         WHERE p.ctid = ANY (ARRAY(SELECT place FROM taken)) AND (SELECT setting FROM unhurried) = 'off'",
        projection,
        generation,
        &columns.kinds,
        &columns.ids,
        &columns.epochs,
        &columns.versions
    )
    .execute(pool)
    .await?;
    Ok(cleared.rows_affected())
}

/// Raises the generation past `generation` and removes the rows, in one statement: what Redis holds of them is not
/// read any more. A generation that was raised already stays.
pub(crate) async fn abandon(
    pool: &Pool,
    projection: i32,
    generation: i64,
    rows: &[ChangedRow],
) -> Result<u64, sqlx::Error> {
    let columns = Columns::of(rows);
    let removed = sqlx::query!(
        "WITH raised AS (
             UPDATE read.cache_generation SET generation = generation + 1 WHERE generation = $2
         ), passed AS (
             SELECT p.place
             FROM unnest($3::text[], $4::uuid[], $5::integer[], $6::bigint[]) AS c (kind, id, epoch, version)
             CROSS JOIN LATERAL (
                 SELECT p.ctid AS place
                 FROM read.pending_cache p
                 WHERE p.projection = $1 AND p.kind = c.kind AND p.id = c.id
                   AND (p.epoch, p.version) <= (c.epoch, c.version)
                 FOR UPDATE SKIP LOCKED
             ) AS p
         )
         DELETE FROM read.pending_cache p WHERE p.ctid = ANY (ARRAY(SELECT place FROM passed))",
        projection,
        generation,
        &columns.kinds,
        &columns.ids,
        &columns.epochs,
        &columns.versions
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// A page of pending rows, with the version of the views that serves and the generation as of the same moment.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) projection: i32,
    pub(crate) generation: i64,
    pub(crate) rows: Vec<ChangedRow>,
}

/// At most `limit` rows of the version of the views that serves that were noted `age` ago or earlier, the oldest first; none
/// where it is of another shape, since other programs make its entries.
pub(crate) async fn load(pool: &Pool, age: Duration, limit: i64) -> Result<Page, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT a.projection, g.generation, p.kind AS "kind?", p.id AS "id?", p.epoch AS "epoch?",
                  p.version AS "version?"
           FROM read.active_projection a
           CROSS JOIN read.cache_generation g
           LEFT JOIN LATERAL (
               SELECT kind, id, epoch, version FROM read.pending_cache
               WHERE projection = a.projection AND noted_at <= clock_timestamp() - make_interval(secs => $1)
                 AND EXISTS (SELECT FROM read.projections s WHERE s.projection = a.projection AND s.shape = $2)
               ORDER BY noted_at
               LIMIT $3
           ) p ON true"#,
        age.as_secs_f64(),
        SHAPE,
        limit
    )
    .fetch_all(pool)
    .await?;
    let first = rows.first();
    let (projection, generation) = first.map_or((0, 0), |row| (row.projection, row.generation));
    let changed = |row| {
        let (kind, id, epoch, version): (Option<String>, _, _, _) = row;
        Some(ChangedRow {
            kind: EntityKind::from_name(&kind?)?,
            id: id?,
            version: VersionToken::new(epoch?, version?),
        })
    };
    let rows = rows
        .into_iter()
        .filter_map(|row| changed((row.kind, row.id, row.epoch, row.version)))
        .collect();
    Ok(Page {
        projection,
        generation,
        rows,
    })
}
