//! The SQL of `uploader.objects`: what lies in the bucket of files, and what is decided about it.

use depot_sabotage::Break;
use sqlx::PgConnection;

/// The object of that content which may be referred to, locked so that nobody decides its deletion meanwhile.
pub(crate) async fn lock_live(
    connection: &mut PgConnection,
    sha256: &str,
) -> Result<Option<String>, sqlx::Error> {
    let live = sqlx::query_scalar!(
        "SELECT key FROM uploader.objects WHERE sha256 = $1 AND state = 'live' FOR UPDATE",
        sha256
    )
    .fetch_optional(&mut *connection)
    .await?;
    if depot_sabotage::has(Break::KeyUsedAgain) && live.is_none() {
        return take_back(connection, sha256).await;
    }
    Ok(live)
}

/// What only a sabotaged uploader does: takes an object back whose deletion was decided.
async fn take_back(connection: &mut PgConnection, sha256: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE uploader.objects SET state = 'live' WHERE sha256 = $1 AND state = 'deleting' RETURNING key",
        sha256
    )
    .fetch_optional(connection)
    .await
}

/// Claims a key before the first byte is copied to it. True if it is ours to copy to: new, or left at `copying` by
/// an earlier attempt of the same upload.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    key: &str,
    sha256: &str,
    size_bytes: i64,
) -> Result<bool, sqlx::Error> {
    let claimed = sqlx::query!(
        "INSERT INTO uploader.objects AS o (key, sha256, size_bytes, state) VALUES ($1, $2, $3, 'copying')
         ON CONFLICT (key) DO UPDATE SET updated_at = now() WHERE o.state = 'copying'",
        key,
        sha256,
        size_bytes
    )
    .execute(connection)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

/// Makes a copied object the one of its content. False if its deletion was decided meanwhile. A unique violation
/// says that another one became live at the same moment.
pub(crate) async fn make_live(connection: &mut PgConnection, key: &str) -> Result<bool, sqlx::Error> {
    let made = sqlx::query!(
        "UPDATE uploader.objects SET state = 'live', updated_at = now() WHERE key = $1 AND state = 'copying'",
        key
    )
    .execute(connection)
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Decides the deletion of a live object that no receipt refers to any more, neither as a file nor as a thumbnail, but for
/// that of `upload` if there is one; true if decided, now or before. In a transaction: the lock has to outlast the look at
/// the receipts.
pub(crate) async fn release(
    connection: &mut PgConnection,
    key: &str,
    upload: Option<uuid::Uuid>,
) -> Result<bool, sqlx::Error> {
    // The object's lock comes first: whoever refers to it anew holds the same lock.
    let state = sqlx::query_scalar!(
        "SELECT state FROM uploader.objects WHERE key = $1 FOR UPDATE",
        key
    )
    .fetch_one(&mut *connection)
    .await?;
    if state != "live" {
        return Ok(true);
    }
    let released = sqlx::query!(
        "UPDATE uploader.objects SET state = 'deleting', updated_at = now()
         WHERE key = $1 AND NOT EXISTS (
             SELECT FROM uploader.receipts WHERE object_key = $1 AND outcome = 'stored' AND upload_id IS DISTINCT FROM $2)
         AND NOT EXISTS (
             SELECT FROM uploader.receipts WHERE thumbnail_key = $1 AND outcome = 'stored' AND upload_id IS DISTINCT FROM $2)",
        key,
        upload
    )
    .execute(connection)
    .await?;
    Ok(released.rows_affected() == 1)
}

/// Decides the deletion of a copy, also where it was decided before: the copy may have landed after that deletion. False
/// if it is live.
pub(crate) async fn discard_copy(connection: &mut PgConnection, key: &str) -> Result<bool, sqlx::Error> {
    let discarded = sqlx::query!(
        "UPDATE uploader.objects SET state = 'deleting', updated_at = now() WHERE key = $1 AND state <> 'live'",
        key
    )
    .execute(connection)
    .await?;
    Ok(discarded.rows_affected() == 1)
}

/// The store confirmed a deletion that was decided.
pub(crate) async fn mark_deleted(connection: &mut PgConnection, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE uploader.objects SET state = 'deleted', updated_at = now() WHERE key = $1 AND state = 'deleting'",
        key
    )
    .execute(connection)
    .await
    .map(drop)
}
