//! The SQL of the sweep, on `uploader.objects` and `uploader.receipts`.

use std::time::Duration;

use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

/// Copies that nobody has touched for longer than `grace`, oldest first.
pub(crate) async fn stale_copies(
    connection: &mut PgConnection,
    grace: Duration,
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT key FROM uploader.objects WHERE state = 'copying' AND updated_at < now() - $1::interval
         ORDER BY updated_at LIMIT $2",
        interval(grace),
        limit
    )
    .fetch_all(connection)
    .await
}

/// Decides the deletion of those of the copies that nobody has touched since, and answers them. An attempt that is
/// still at it finds its claim gone, and begins anew under another key.
pub(crate) async fn discard_stale_copies(
    connection: &mut PgConnection,
    keys: &[String],
    grace: Duration,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE uploader.objects SET state = 'deleting', updated_at = now()
         WHERE key = ANY($1) AND state = 'copying' AND updated_at < now() - $2::interval RETURNING key",
        keys,
        interval(grace)
    )
    .fetch_all(connection)
    .await
}

/// A deletion that was decided and never confirmed.
pub(crate) struct Decided {
    pub key: String,
    /// Whether it was decided longer ago than the grace.
    pub is_old: bool,
}

/// Deletions that were decided and never confirmed, oldest first.
pub(crate) async fn unconfirmed(
    connection: &mut PgConnection,
    grace: Duration,
    limit: i64,
) -> Result<Vec<Decided>, sqlx::Error> {
    sqlx::query_as!(
        Decided,
        r#"SELECT key, updated_at < now() - $1::interval AS "is_old!" FROM uploader.objects
           WHERE state = 'deleting' ORDER BY updated_at LIMIT $2"#,
        interval(grace),
        limit
    )
    .fetch_all(connection)
    .await
}

/// Those of the keys that nobody may refer to on record: without a row, and those whose deletion was confirmed (a copy
/// that was cut off in this process may land in the store after that).
pub(crate) async fn strays(
    connection: &mut PgConnection,
    keys: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT lying.key AS "key!" FROM UNNEST($1::text[]) AS lying(key)
           LEFT JOIN uploader.objects o ON o.key = lying.key
           WHERE o.key IS NULL OR o.state = 'deleted' ORDER BY lying.key"#,
        keys
    )
    .fetch_all(connection)
    .await
}

/// Takes strays as to be deleted, and answers those that still were.
pub(crate) async fn adopt_strays(
    connection: &mut PgConnection,
    keys: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO uploader.objects AS o (key, sha256, size_bytes, state)
         SELECT key, '', 0, 'deleting' FROM UNNEST($1::text[]) AS stray(key) ORDER BY key
         ON CONFLICT (key) DO UPDATE SET state = 'deleting', updated_at = now() WHERE o.state = 'deleted'
         RETURNING key",
        keys
    )
    .fetch_all(connection)
    .await
}

/// Objects that a receipt refers to, whose keys lie after `after` and, if there is one, up to `until`, both in the order
/// of bytes, and that are not among `lying`.
pub(crate) async fn absent(
    connection: &mut PgConnection,
    after: &str,
    until: Option<&str>,
    lying: &[String],
    limit: i64,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT o.key FROM uploader.objects o
           WHERE o.state = 'live' AND o.key COLLATE "C" > $1 AND ($2::text IS NULL OR o.key COLLATE "C" <= $2)
             AND NOT EXISTS (SELECT FROM UNNEST($3::text[]) AS lying(key) WHERE lying.key = o.key)
             AND (EXISTS (SELECT FROM uploader.receipts r WHERE r.object_key = o.key AND r.outcome = 'stored')
                  OR EXISTS (SELECT FROM uploader.receipts r WHERE r.thumbnail_key = o.key AND r.outcome = 'stored'))
           ORDER BY o.key COLLATE "C" LIMIT $4"#,
        after,
        until,
        lying,
        limit
    )
    .fetch_all(connection)
    .await
}

/// How many uploads' receipts refer to a live object, as their file or as their thumbnail.
pub(crate) async fn references(connection: &mut PgConnection, key: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM uploader.objects o
           JOIN LATERAL (
               SELECT upload_id FROM uploader.receipts WHERE object_key = o.key AND outcome = 'stored'
               UNION SELECT upload_id FROM uploader.receipts WHERE thumbnail_key = o.key AND outcome = 'stored') r ON true
           WHERE o.key = $1 AND o.state = 'live'"#,
        key
    )
    .fetch_one(connection)
    .await
}

/// A page of live objects in the order of bytes.
pub(crate) struct LiveObject {
    pub key: String,
    /// Whether nobody refers to it, and it has been like that for longer than the grace.
    pub is_unreferenced: bool,
}

pub(crate) async fn live_objects(
    connection: &mut PgConnection,
    after: &str,
    grace: Duration,
    limit: i64,
) -> Result<Vec<LiveObject>, sqlx::Error> {
    sqlx::query_as!(
        LiveObject,
        r#"SELECT o.key, o.updated_at < now() - $2::interval
                  AND NOT EXISTS (SELECT FROM uploader.receipts r WHERE r.object_key = o.key)
                  AND NOT EXISTS (SELECT FROM uploader.receipts r WHERE r.thumbnail_key = o.key) AS "is_unreferenced!"
           FROM uploader.objects o WHERE o.state = 'live' AND o.key COLLATE "C" > $1
           ORDER BY o.key COLLATE "C" LIMIT $3"#,
        after,
        interval(grace),
        limit
    )
    .fetch_all(connection)
    .await
}

/// A receipt with what it refers to.
pub(crate) struct Referring {
    pub upload_id: Uuid,
    /// Set where the receipt says stored, and an object that it refers to is not live.
    pub unfit_key: Option<String>,
    pub unfit_state: Option<String>,
}

/// A page of receipts in the order of their ids.
pub(crate) async fn referring(
    connection: &mut PgConnection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Referring>, sqlx::Error> {
    sqlx::query_as!(
        Referring,
        r#"SELECT r.upload_id, unfit.key AS "unfit_key?", unfit.state AS "unfit_state?"
           FROM uploader.receipts r LEFT JOIN LATERAL (
               SELECT o.key, o.state FROM uploader.objects o
               WHERE r.outcome = 'stored' AND o.state <> 'live' AND o.key IN (r.object_key, r.thumbnail_key)
               ORDER BY o.key LIMIT 1) unfit ON true
           WHERE r.upload_id > $1 ORDER BY r.upload_id LIMIT $2"#,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
    }
}
