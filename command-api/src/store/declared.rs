//! Declared aggregates of all kinds.

use depot_domain::{Declaration, Instance, InstanceId, Owner};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StoreError, stored};

const TABLE: &str = "declared_aggregates";

struct Row {
    owner: String,
    state: Value,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

/// One, locked to the end of the transaction.
pub async fn lock(
    conn: &mut PgConnection,
    of: &'static Declaration,
    id: InstanceId,
) -> Result<Option<Instance>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT owner, state, version, created_at, updated_at
         FROM command.declared_aggregates WHERE kind = $1 AND id = $2 FOR UPDATE",
        of.name,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("lock a declared aggregate"))?;
    let into_instance = |row: Row| {
        Ok(Instance {
            of,
            id,
            owner: stored(TABLE, id, row.owner)?,
            version: row.version,
            state: row.state,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    };
    row.map(into_instance).transpose()
}

/// The owner of one, who never changes.
pub async fn owner(
    conn: &mut PgConnection,
    of: &Declaration,
    id: InstanceId,
) -> Result<Option<Owner>, StoreError> {
    sqlx::query_scalar!(
        "SELECT owner FROM command.declared_aggregates WHERE kind = $1 AND id = $2",
        of.name,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("read the owner of a declared aggregate"))?
    .map(|owner| stored(TABLE, id, owner))
    .transpose()
}

pub async fn insert(conn: &mut PgConnection, instance: &Instance) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO command.declared_aggregates (kind, id, owner, state, version, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        instance.of.name,
        instance.id.0,
        instance.owner.as_str(),
        instance.state,
        instance.version,
        instance.created_at,
        instance.updated_at,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("insert a declared aggregate"))?;
    Ok(())
}

/// Writes the next version of one that this transaction has locked.
pub async fn update(conn: &mut PgConnection, instance: &Instance) -> Result<(), StoreError> {
    let updated = sqlx::query!(
        "UPDATE command.declared_aggregates SET state = $3, version = $4, updated_at = $5
         WHERE kind = $1 AND id = $2 AND version = $4::bigint - 1",
        instance.of.name,
        instance.id.0,
        instance.state,
        instance.version,
        instance.updated_at,
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("write a declared aggregate"))?;
    if updated.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::Unexpected {
        table: TABLE,
        id: instance.id.to_string(),
    })
}
