//! What the sweep compares, each page in one statement and so in one snapshot: what one transaction changes is seen
//! changed as a whole, or not at all.

use depot_domain::{Owner, UploadStatus};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StoreError, stored};

/// An upload with all that has to fit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadStanding {
    pub id: Uuid,
    pub status: UploadStatus,
    pub object_key: Option<String>,
    pub version: i64,
    /// How long the upload has been like that.
    pub unchanged_seconds: i64,
    /// Step and state of its saga; none if it has none.
    pub saga: Option<(String, String)>,
    pub item_is_deleted: bool,
    /// Whether the item has it among its files.
    pub is_attached: bool,
}

/// Up to `limit` uploads after `after` and, if there is one, up to `until`, in the order of their ids.
pub async fn uploads(
    conn: &mut PgConnection,
    after: Uuid,
    until: Option<Uuid>,
    limit: i64,
) -> Result<Vec<UploadStanding>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT u.id, u.status, u.object_key, u.version,
                  extract(epoch FROM now() - u.updated_at)::bigint AS "unchanged_seconds!",
                  s.step AS "step?", s.state AS "state?", i.deleted AS item_is_deleted,
                  i.files @> jsonb_build_array(jsonb_build_object('upload_id', u.id)) AS "is_attached!"
           FROM command.uploads u
           JOIN command.items i ON i.id = u.item_id
           LEFT JOIN command.sagas s ON s.saga = 'upload' AND s.saga_id = u.id
           WHERE u.id > $1 AND ($2::uuid IS NULL OR u.id <= $2) ORDER BY u.id LIMIT $3"#,
        after,
        until,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("compare uploads with their sagas"))?;
    let standing = rows.into_iter().map(|row| {
        Ok(UploadStanding {
            id: row.id,
            status: stored("uploads", row.id, row.status)?,
            object_key: row.object_key,
            version: row.version,
            unchanged_seconds: row.unchanged_seconds,
            saga: row.step.zip(row.state),
            item_is_deleted: row.item_is_deleted,
            is_attached: row.is_attached,
        })
    });
    standing.collect()
}

/// Those of the ids that no upload has.
pub async fn unknown_uploads(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT asked.id AS "id!" FROM UNNEST($1::uuid[]) AS asked(id)
           WHERE NOT EXISTS (SELECT FROM command.uploads u WHERE u.id = asked.id) ORDER BY asked.id"#,
        ids
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("look for uploads that are not there"))
}

/// The saga of an upload, and whether that is there.
pub struct UploadSaga {
    pub id: Uuid,
    pub has_upload: bool,
}

/// A page of the uploads' sagas, in the order of their ids.
pub async fn upload_sagas(
    conn: &mut PgConnection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<UploadSaga>, StoreError> {
    sqlx::query_as!(
        UploadSaga,
        r#"SELECT s.saga_id AS id, EXISTS (SELECT FROM command.uploads u WHERE u.id = s.saga_id) AS "has_upload!"
           FROM command.sagas s WHERE s.saga = 'upload' AND s.saga_id > $1 ORDER BY s.saga_id LIMIT $2"#,
        after,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("compare sagas with their uploads"))
}

/// A saga that does not go on.
pub struct HaltedSaga {
    pub saga: String,
    pub id: Uuid,
    pub step: String,
    pub is_stuck: bool,
}

/// Sagas that are stuck, and those whose deadline passed more than `overdue_seconds` ago; up to `limit` of each.
pub async fn halted_sagas(
    conn: &mut PgConnection,
    overdue_seconds: f64,
    limit: i64,
) -> Result<Vec<HaltedSaga>, StoreError> {
    sqlx::query_as!(
        HaltedSaga,
        r#"(SELECT saga AS "saga!", saga_id AS "id!", step AS "step!", true AS "is_stuck!"
            FROM command.sagas WHERE state = 'stuck' ORDER BY saga LIMIT $2)
           UNION ALL
           (SELECT saga, saga_id, step, false FROM command.sagas
            WHERE deadline < now() - make_interval(secs => $1) ORDER BY deadline LIMIT $2)"#,
        overdue_seconds,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("look for sagas that do not go on"))
}

/// An item with what has to fit it.
pub struct ItemStanding {
    pub id: Uuid,
    /// Uploads that it has among its files, and that are not stored, or another item's.
    pub unfounded: Vec<String>,
    /// Whether it is deleted, and nobody ends the uploads that it still has.
    pub is_half_deleted: bool,
}

/// A page of items, in the order of their ids.
pub async fn items(
    conn: &mut PgConnection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<ItemStanding>, StoreError> {
    sqlx::query_as!(
        ItemStanding,
        r#"SELECT i.id,
                  ARRAY(SELECT file->>'upload_id' FROM jsonb_array_elements(i.files) AS file
                        LEFT JOIN command.uploads u ON u.id = (file->>'upload_id')::uuid AND u.item_id = i.id
                                                   AND u.status = 'stored'
                        WHERE NOT i.deleted AND u.id IS NULL) AS "unfounded!",
                  i.deleted AND (s.step IS NULL OR s.step = 'completed' AND EXISTS (
                      SELECT FROM command.uploads u
                      WHERE u.item_id = i.id AND u.status IN ('pending', 'received', 'stored'))) AS "is_half_deleted!"
           FROM (SELECT id, deleted, files FROM command.items WHERE id > $1 ORDER BY id LIMIT $2) AS i
           LEFT JOIN command.sagas s ON s.saga = 'item_deletion' AND s.saga_id = i.id
           ORDER BY i.id"#,
        after,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("compare items with their uploads"))
}

/// An account with what its uploads add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSums {
    pub owner: String,
    pub used_bytes: i64,
    pub reserved_bytes: i64,
    pub stored_bytes: i64,
    pub open_bytes: i64,
}

impl AccountSums {
    pub fn fits(&self) -> bool {
        (self.used_bytes, self.reserved_bytes) == (self.stored_bytes, self.open_bytes)
    }
}

/// A page of accounts, in the order of their owners.
pub async fn accounts(
    conn: &mut PgConnection,
    after: &str,
    limit: i64,
) -> Result<Vec<AccountSums>, StoreError> {
    sqlx::query_as!(
        AccountSums,
        r#"SELECT a.owner, a.used_bytes, a.reserved_bytes, sums.stored AS "stored_bytes!", sums.open AS "open_bytes!"
           FROM (SELECT owner, used_bytes, reserved_bytes FROM command.storage_accounts
                 WHERE owner > $1 ORDER BY owner LIMIT $2) AS a
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(size_bytes + coalesce((thumbnail->>'size_bytes')::bigint, 0))
                                   FILTER (WHERE status = 'stored'), 0)::bigint AS stored,
                      coalesce(sum(size_bytes) FILTER (WHERE status <> 'stored'), 0)::bigint AS open
               FROM command.uploads u
               WHERE u.owner = a.owner AND u.status IN ('pending', 'received', 'stored')) AS sums
           ORDER BY a.owner"#,
        after,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("compare accounts with their uploads"))
}

/// Sets what an account has used and reserved to the sums of its uploads; false if it was right. The caller has locked
/// the account in an earlier statement, so that this one sees every upload that was counted under the lock.
pub async fn recount(conn: &mut PgConnection, owner: &Owner) -> Result<bool, StoreError> {
    let recounted = sqlx::query!(
        "UPDATE command.storage_accounts a SET used_bytes = sums.stored, reserved_bytes = sums.open
         FROM (SELECT coalesce(sum(size_bytes + coalesce((thumbnail->>'size_bytes')::bigint, 0))
                                   FILTER (WHERE status = 'stored'), 0)::bigint AS stored,
                      coalesce(sum(size_bytes) FILTER (WHERE status <> 'stored'), 0)::bigint AS open
               FROM command.uploads WHERE owner = $1 AND status IN ('pending', 'received', 'stored')) AS sums
         WHERE a.owner = $1 AND (a.used_bytes, a.reserved_bytes) <> (sums.stored, sums.open)",
        owner.as_str()
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("recount a storage account"))?;
    Ok(recounted.rows_affected() == 1)
}

/// Takes the lease of the scheduled sweep for `lease_seconds`, if nobody holds it and the last one began longer ago
/// than `interval_seconds`.
pub async fn take_lease(
    conn: &mut PgConnection,
    holder: Uuid,
    interval_seconds: f64,
    lease_seconds: f64,
) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        "UPDATE command.sweep_lease
         SET holder = $1, begun_at = now(), expires_at = now() + make_interval(secs => $3)
         WHERE (expires_at IS NULL OR expires_at < now())
           AND (begun_at IS NULL OR begun_at <= now() - make_interval(secs => $2))",
        holder,
        interval_seconds,
        lease_seconds
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("take the lease of the sweep"))?;
    Ok(taken.rows_affected() == 1)
}

/// Renews the lease; false if it is another's, or ran out.
pub async fn renew_lease(
    conn: &mut PgConnection,
    holder: Uuid,
    lease_seconds: f64,
) -> Result<bool, StoreError> {
    let renewed = sqlx::query!(
        "UPDATE command.sweep_lease SET expires_at = now() + make_interval(secs => $2)
         WHERE holder = $1 AND expires_at >= now()",
        holder,
        lease_seconds
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("renew the lease of the sweep"))?;
    Ok(renewed.rows_affected() == 1)
}

/// Gives the lease back.
pub async fn release_lease(conn: &mut PgConnection, holder: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE command.sweep_lease SET holder = NULL, expires_at = NULL WHERE holder = $1",
        holder
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("give back the lease of the sweep"))?;
    Ok(())
}
