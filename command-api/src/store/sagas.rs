//! What sagas are about, as operators see it.

use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// The upload or the item of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub owner: String,
    /// Of an upload its item; of an item its own id.
    pub item_id: Uuid,
    /// Of an upload its status; of an item `deleted` or its status.
    pub status: String,
    pub version: i64,
}

pub async fn upload(conn: &mut PgConnection, id: Uuid) -> Result<Option<Subject>, StoreError> {
    sqlx::query_as!(
        Subject,
        "SELECT owner, item_id, status, version FROM command.uploads WHERE id = $1",
        id
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read the upload of a saga"))
}

pub async fn item(conn: &mut PgConnection, id: Uuid) -> Result<Option<Subject>, StoreError> {
    sqlx::query_as!(
        Subject,
        r#"SELECT owner, id AS item_id, CASE WHEN deleted THEN 'deleted' ELSE status END AS "status!", version
           FROM command.items WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read the item of a saga"))
}
