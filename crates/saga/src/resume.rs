//! Sagas that cannot go on by themselves: how many, and how somebody sets one going again.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{machine::Saga, store::SagaStoreError};

/// What became of the wish to resume a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It asks again at once, and counts its attempts anew.
    Resumed,
    /// It is not stuck; nothing was changed.
    NotStuck,
    /// There is no such saga.
    Unknown,
}

/// Sets a stuck saga going from the step at which it stands: its deadline is now.
///
/// # Errors
/// `Undeclared` if the row names a step of another version of the saga, `Database`.
pub async fn resume(conn: &mut PgConnection, saga: &Saga, saga_id: Uuid) -> Result<Resumed, SagaStoreError> {
    let failed = |source| SagaStoreError::Database {
        saga: saga.name,
        saga_id,
        source,
    };
    let row = sqlx::query!(
        "SELECT step, state FROM sagas WHERE saga = $1 AND saga_id = $2 FOR UPDATE",
        saga.name,
        saga_id
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed)?;
    let Some(row) = row else {
        return Ok(Resumed::Unknown);
    };
    if row.state != "stuck" {
        return Ok(Resumed::NotStuck);
    }
    let step = saga.step(&row.step)?;
    sqlx::query!(
        "UPDATE sagas SET state = $3, attempts = 0, deadline = now(), updated_at = now()
         WHERE saga = $1 AND saga_id = $2",
        saga.name,
        saga_id,
        step.state.as_str()
    )
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(Resumed::Resumed)
}

/// How many sagas of this kind are stuck.
///
/// # Errors
/// What Postgres answers.
pub async fn stuck(conn: &mut PgConnection, saga: &Saga) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM sagas WHERE saga = $1 AND state = 'stuck'"#,
        saga.name
    )
    .fetch_one(conn)
    .await
}
