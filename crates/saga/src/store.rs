//! The rows of sagas, one function a statement, all in the caller's transaction.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::machine::{Saga, Step, UndeclaredStep};

/// Why a saga did not move. The caller's transaction is to be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum SagaStoreError {
    #[error(transparent)]
    Undeclared(#[from] UndeclaredStep),
    #[error("saga {saga} {saga_id} has no row")]
    Unknown { saga: &'static str, saga_id: Uuid },
    #[error("saga {saga} {saga_id} could not be read or written")]
    Database {
        saga: &'static str,
        saga_id: Uuid,
        #[source]
        source: sqlx::Error,
    },
}

/// Begins a saga at its first step. One that has begun stays where it is.
///
/// # Errors
/// `Undeclared` for a saga without a step, `Database`.
pub async fn begin(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
    deadline: Option<OffsetDateTime>,
) -> Result<(), SagaStoreError> {
    let first = saga.steps.first().map_or("", |step| step.name);
    let step = saga.step(first)?;
    sqlx::query!(
        "INSERT INTO sagas (saga, saga_id, state, step, deadline) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (saga, saga_id) DO NOTHING",
        saga.name,
        saga_id,
        step.state.as_str(),
        step.name,
        deadline,
    )
    .execute(conn)
    .await
    .map_err(|source| SagaStoreError::Database {
        saga: saga.name,
        saga_id,
        source,
    })?;
    Ok(())
}

/// The step at which a saga stands, none if it never began.
///
/// # Errors
/// `Undeclared` if the row names a step of another version of the saga, `Database`.
pub async fn current(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
) -> Result<Option<&'static Step>, SagaStoreError> {
    let step = sqlx::query_scalar!(
        "SELECT step FROM sagas WHERE saga = $1 AND saga_id = $2",
        saga.name,
        saga_id
    )
    .fetch_optional(conn)
    .await
    .map_err(|source| SagaStoreError::Database {
        saga: saga.name,
        saga_id,
        source,
    })?;
    Ok(step.map(|name| saga.step(&name)).transpose()?)
}

/// Moves a saga to the step `to`, which the declaration must allow after the present one; its deadline is replaced.
/// Locks the row to the end of the transaction. Answers the step at which it stood.
///
/// # Errors
/// `Unknown` if it never began, `Undeclared` for a move that is not declared, `Database`.
pub async fn advance(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
    to: &str,
    deadline: Option<OffsetDateTime>,
) -> Result<&'static Step, SagaStoreError> {
    let failed = |source| SagaStoreError::Database {
        saga: saga.name,
        saga_id,
        source,
    };
    let from = sqlx::query_scalar!(
        "SELECT step FROM sagas WHERE saga = $1 AND saga_id = $2 FOR UPDATE",
        saga.name,
        saga_id
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed)?
    .ok_or(SagaStoreError::Unknown {
        saga: saga.name,
        saga_id,
    })?;
    let (from, to) = (saga.step(&from)?, saga.follow(&from, to)?);
    sqlx::query!(
        "UPDATE sagas SET state = $3, step = $4, deadline = $5, updated_at = now() WHERE saga = $1 AND saga_id = $2",
        saga.name,
        saga_id,
        to.state.as_str(),
        to.name,
        deadline,
    )
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(from)
}

/// Takes up to `limit` sagas whose deadline has passed, longest overdue first, and puts their deadlines off by
/// `lease_seconds`: whoever took them handles them, and if it dies they are due again. Rows that a transaction holds
/// are left for the next time.
///
/// # Errors
/// What Postgres answers.
pub async fn take_due(
    conn: &mut PgConnection,
    saga: &Saga,
    limit: i64,
    lease_seconds: f64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE sagas SET deadline = now() + make_interval(secs => $3)
         FROM (SELECT saga_id FROM sagas WHERE saga = $1 AND deadline <= now()
               ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED) AS due
         WHERE sagas.saga = $1 AND sagas.saga_id = due.saga_id
         RETURNING sagas.saga_id",
        saga.name,
        limit,
        lease_seconds,
    )
    .fetch_all(conn)
    .await
}
