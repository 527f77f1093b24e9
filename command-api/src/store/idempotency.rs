//! Keys of requests and the answers that they got.

use serde_json::Value;
use sqlx::PgConnection;

use super::{StoreError, transaction::ROW_LOCK_TIMEOUT};

/// What names a request that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The subject of the caller's token.
    pub principal: String,
    /// Method and route template.
    pub route: String,
    pub key: String,
}

/// An answer that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAnswer {
    pub fingerprint: Vec<u8>,
    pub expired: bool,
    pub status: i16,
    /// `[[name, value], …]`
    pub headers: Value,
    pub body: Vec<u8>,
}

/// Inserts the row of a key, without an answer yet. False if the key is there already; then its row was committed.
///
/// Waits for a transaction that has inserted the same key, for as long as the transaction's lock time-out says; once
/// the row is ours, the time-out becomes the one for rows. (An aggregate's output is computed after all its input, so
/// the insert is over when `set_config` runs.)
pub async fn insert(
    conn: &mut PgConnection,
    key: &Key,
    fingerprint: &[u8],
    ttl_hours: i32,
) -> Result<bool, StoreError> {
    let row = sqlx::query!(
        r#"WITH inserted AS (
               INSERT INTO command.idempotency_keys (principal, route, key, fingerprint, expires_at)
               VALUES ($1, $2, $3, $4, now() + make_interval(hours => $5))
               ON CONFLICT (principal, route, key) DO NOTHING
               RETURNING 1)
           SELECT count(*) AS "inserted!",
                  set_config('lock_timeout', CASE count(*) WHEN 0 THEN current_setting('lock_timeout') ELSE $6 END,
                             true) AS lock_timeout
           FROM inserted"#,
        key.principal,
        key.route,
        key.key,
        fingerprint,
        ttl_hours,
        ROW_LOCK_TIMEOUT,
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("insert an idempotency key"))?;
    Ok(row.inserted > 0)
}

/// What a request was answered, to be kept under its key.
#[derive(Debug, Clone, Copy)]
pub struct NewAnswer<'a> {
    pub key: &'a Key,
    pub fingerprint: &'a [u8],
    pub status: i16,
    /// `[[name, value], …]`
    pub headers: &'a Value,
    pub body: &'a [u8],
}

/// Inserts the rows of several keys with their answers, in the order of the keys: answers which of them are ours, by their
/// place in `answers`. None of the keys comes twice.
///
/// Waits for transactions that have inserted one of the keys, for as long as the transaction's lock time-out says.
pub async fn insert_answered(
    conn: &mut PgConnection,
    answers: &[NewAnswer<'_>],
    ttl_hours: i32,
) -> Result<Vec<usize>, StoreError> {
    let principals: Vec<_> = answers
        .iter()
        .map(|answer| answer.key.principal.as_str())
        .collect();
    let routes: Vec<_> = answers.iter().map(|answer| answer.key.route.as_str()).collect();
    let keys: Vec<_> = answers.iter().map(|answer| answer.key.key.as_str()).collect();
    let fingerprints: Vec<_> = answers.iter().map(|answer| answer.fingerprint).collect();
    let status: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let headers: Vec<_> = answers.iter().map(|answer| answer.headers).collect();
    let bodies: Vec<_> = answers.iter().map(|answer| answer.body).collect();
    let ours = sqlx::query_scalar!(
        r#"WITH given AS MATERIALIZED (
               SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::jsonb[],
                                    $7::bytea[])
                    WITH ORDINALITY AS given (principal, route, key, fingerprint, status, headers, body, place)),
           inserted AS (
               INSERT INTO command.idempotency_keys (principal, route, key, fingerprint, expires_at, status, headers, body)
               SELECT principal, route, key, fingerprint, now() + make_interval(hours => $8), status, headers, body
               FROM given ORDER BY principal, route, key
               ON CONFLICT (principal, route, key) DO NOTHING
               RETURNING principal, route, key)
           SELECT place - 1 AS "place!" FROM given JOIN inserted USING (principal, route, key)"#,
        &principals as _,
        &routes as _,
        &keys as _,
        &fingerprints as _,
        &status,
        &headers as _,
        &bodies as _,
        ttl_hours,
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("insert idempotency keys"))?;
    Ok(ours
        .into_iter()
        .filter_map(|place| usize::try_from(place).ok())
        .collect())
}

/// The answer kept under a key; none if the row was deleted since. A statement of its own, after [`insert`]: it sees
/// what was committed while that waited.
pub async fn find(conn: &mut PgConnection, key: &Key) -> Result<Option<KeptAnswer>, StoreError> {
    sqlx::query_as!(
        KeptAnswer,
        r#"SELECT fingerprint, expires_at <= now() AS "expired!", status AS "status!", headers AS "headers!",
                  body AS "body!"
           FROM command.idempotency_keys WHERE principal = $1 AND route = $2 AND key = $3"#,
        key.principal,
        key.route,
        key.key,
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read the answer kept under an idempotency key"))
}

/// Makes the row of an expired key ours, as if it had been inserted now. False if another request was faster.
pub async fn replace_expired(
    conn: &mut PgConnection,
    key: &Key,
    fingerprint: &[u8],
    ttl_hours: i32,
) -> Result<bool, StoreError> {
    let replaced = sqlx::query!(
        "UPDATE command.idempotency_keys
         SET fingerprint = $4, status = NULL, headers = NULL, body = NULL, created_at = now(),
             expires_at = now() + make_interval(hours => $5)
         WHERE principal = $1 AND route = $2 AND key = $3 AND expires_at <= now()",
        key.principal,
        key.route,
        key.key,
        fingerprint,
        ttl_hours,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("replace an expired idempotency key"))?;
    Ok(replaced.rows_affected() > 0)
}

/// Keeps the answer under a key that this transaction inserted.
pub async fn keep_answer(
    conn: &mut PgConnection,
    key: &Key,
    status: i16,
    headers: Value,
    body: &[u8],
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE command.idempotency_keys SET status = $4, headers = $5, body = $6
         WHERE principal = $1 AND route = $2 AND key = $3",
        key.principal,
        key.route,
        key.key,
        status,
        headers,
        body,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("keep an answer under its idempotency key"))?;
    Ok(())
}

/// Deletes up to `limit` expired keys, and answers how many it were.
pub async fn delete_expired(conn: &mut PgConnection, limit: i64) -> Result<u64, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM command.idempotency_keys AS kept
         USING (SELECT principal, route, key FROM command.idempotency_keys WHERE expires_at <= now()
                ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS expired
         WHERE (kept.principal, kept.route, kept.key) = (expired.principal, expired.route, expired.key)",
        limit
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("delete expired idempotency keys"))?;
    Ok(deleted.rows_affected())
}
