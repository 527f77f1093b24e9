use serde_json::Value;
use sqlx::PgConnection;

use super::StoreError;

/// Notes what an administrator does, in the transaction that does it.
pub async fn insert(
    conn: &mut PgConnection,
    actor: &str,
    action: &str,
    subject: &str,
    detail: Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO command.audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4)",
        actor,
        action,
        subject,
        detail
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("write the audit"))?;
    Ok(())
}
