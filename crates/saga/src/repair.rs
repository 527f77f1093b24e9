//! What only a repair does: it sets a saga's row by what the saga is about, where the two do not fit.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    machine::{Deadline, Saga},
    store::{SagaStoreError, wait_seconds},
};

/// Places a saga at a declared step, whatever its row says, or makes the row. Its attempts begin anew.
///
/// `given` is the deadline of a step that declares one to be given, and is not looked at otherwise.
///
/// # Errors
/// `Undeclared`, `NoDeadline`, `Database`.
pub async fn place(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
    step: &str,
    given: Option<OffsetDateTime>,
) -> Result<(), SagaStoreError> {
    let step = saga.step(step)?;
    let given = match step.deadline {
        Some(Deadline::Given { .. }) => Some(given.ok_or(SagaStoreError::NoDeadline {
            saga: saga.name,
            saga_id,
        })?),
        _ => None,
    };
    sqlx::query!(
        "INSERT INTO sagas (saga, saga_id, state, step, deadline)
         VALUES ($1, $2, $3, $4, coalesce($5, now() + make_interval(secs => $6)))
         ON CONFLICT (saga, saga_id) DO UPDATE
         SET state = excluded.state, step = excluded.step, deadline = excluded.deadline, attempts = 0,
             updated_at = now()",
        saga.name,
        saga_id,
        step.state.as_str(),
        step.name,
        given,
        wait_seconds(step, 0),
    )
    .execute(conn)
    .await
    .map_err(failed(saga, saga_id))?;
    Ok(())
}

/// Has a saga that waits for an answer ask for it at once, as if its deadline had passed. False if it waits for none.
///
/// # Errors
/// `Database`.
pub async fn ask_now(conn: &mut PgConnection, saga: &Saga, saga_id: Uuid) -> Result<bool, SagaStoreError> {
    let hastened = sqlx::query!(
        "UPDATE sagas SET deadline = now(), updated_at = now()
         WHERE saga = $1 AND saga_id = $2 AND deadline IS NOT NULL",
        saga.name,
        saga_id
    )
    .execute(conn)
    .await
    .map_err(failed(saga, saga_id))?;
    Ok(hastened.rows_affected() == 1)
}

/// Removes the row of a saga about something that is not there.
///
/// # Errors
/// `Database`.
pub async fn remove(conn: &mut PgConnection, saga: &Saga, saga_id: Uuid) -> Result<bool, SagaStoreError> {
    let removed = sqlx::query!(
        "DELETE FROM sagas WHERE saga = $1 AND saga_id = $2",
        saga.name,
        saga_id
    )
    .execute(conn)
    .await
    .map_err(failed(saga, saga_id))?;
    Ok(removed.rows_affected() == 1)
}

fn failed(saga: &Saga, saga_id: Uuid) -> impl FnOnce(sqlx::Error) -> SagaStoreError {
    let saga = saga.name;
    move |source| SagaStoreError::Database {
        saga,
        saga_id,
        source,
    }
}
