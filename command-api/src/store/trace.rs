//! What commands decide on, of one item or upload, for a person who follows it.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;

/// Its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub version: i64,
    /// Of an item `draft`, `active`, `archived` or `deleted`.
    pub status: String,
    /// Why an upload was rejected or aborted.
    pub reason: Option<String>,
    pub updated_at: OffsetDateTime,
}

pub async fn item(conn: &mut PgConnection, id: Uuid) -> Result<Option<State>, StoreError> {
    sqlx::query_as!(
        State,
        r#"SELECT version, CASE WHEN deleted THEN 'deleted' ELSE status END AS "status!",
                              NULL::text AS reason, updated_at
                       FROM command.items WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read an item's state"))
}

pub async fn upload(conn: &mut PgConnection, id: Uuid) -> Result<Option<State>, StoreError> {
    sqlx::query_as!(
        State,
        "SELECT version, status, reason, updated_at FROM command.uploads WHERE id = $1",
        id
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read an upload's state"))
}
