//! The rows of sagas, one function a statement, all in the caller's transaction.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    machine::{Deadline, Saga, Step, UndeclaredStep},
    metrics,
    timeout::Due,
};

/// Why a saga did not move. The caller's transaction is to be rolled back.
#[derive(Debug, thiserror::Error)]
pub enum SagaStoreError {
    #[error(transparent)]
    Undeclared(#[from] UndeclaredStep),
    #[error("saga {saga} {saga_id} has no row")]
    Unknown { saga: &'static str, saga_id: Uuid },
    #[error("saga {saga} {saga_id} was begun without the deadline that its first step is to be given")]
    NoDeadline { saga: &'static str, saga_id: Uuid },
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
/// `given` is the deadline of a first step that declares one to be given, and is not looked at otherwise.
///
/// # Errors
/// `Undeclared` for a saga without a step, `NoDeadline`, `Database`.
pub async fn begin(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
    given: Option<OffsetDateTime>,
) -> Result<(), SagaStoreError> {
    let first = saga.steps.first().map_or("", |step| step.name);
    let step = saga.step(first)?;
    let given = match step.deadline {
        Some(Deadline::Given { .. }) => Some(given.ok_or(SagaStoreError::NoDeadline {
            saga: saga.name,
            saga_id,
        })?),
        _ => None,
    };
    let begun = sqlx::query!(
        "INSERT INTO sagas (saga, saga_id, state, step, deadline)
         VALUES ($1, $2, $3, $4, coalesce($5, now() + make_interval(secs => $6)))
         ON CONFLICT (saga, saga_id) DO NOTHING",
        saga.name,
        saga_id,
        step.state.as_str(),
        step.name,
        given,
        wait_seconds(step, 0),
    )
    .execute(conn)
    .await
    .map_err(|source| SagaStoreError::Database {
        saga: saga.name,
        saga_id,
        source,
    })?;
    if begun.rows_affected() > 0 {
        metrics::count_move(saga, step);
    }
    Ok(())
}

/// How long a step waits after it has asked again `asked` times; none where it does not ask.
pub(crate) fn wait_seconds(step: &Step, asked: u32) -> Option<f64> {
    match step.deadline {
        Some(Deadline::AskAgain(again)) => Some(again.delay(asked).as_secs_f64()),
        _ => None,
    }
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

/// Moves a saga to the step `to`, which the declaration must allow after the present one; the deadline is the one that
/// `to` declares, counted from now. Locks the row to the end of the transaction. Answers the step at which it stood.
///
/// A stuck saga moves like any other: what it waited for came after all.
///
/// # Errors
/// `Unknown` if it never began, `Undeclared` for a move that is not declared, `Database`.
pub async fn advance(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
    to: &str,
) -> Result<&'static Step, SagaStoreError> {
    let failed = |source| SagaStoreError::Database {
        saga: saga.name,
        saga_id,
        source,
    };
    let from = lock(&mut *conn, saga, saga_id).await?;
    let from = from.ok_or(SagaStoreError::Unknown {
        saga: saga.name,
        saga_id,
    })?;
    let to = saga.follow(from.name, to)?;
    sqlx::query!(
        "UPDATE sagas SET state = $3, step = $4, deadline = now() + make_interval(secs => $5), attempts = 0,
                updated_at = now()
         WHERE saga = $1 AND saga_id = $2",
        saga.name,
        saga_id,
        to.state.as_str(),
        to.name,
        wait_seconds(to, 0),
    )
    .execute(conn)
    .await
    .map_err(failed)?;
    metrics::count_move(saga, to);
    Ok(from)
}

/// The step at which a saga stands, its row locked to the end of the transaction; none if it never began.
///
/// # Errors
/// `Undeclared` if the row names a step of another version of the saga, `Database`.
pub async fn lock(
    conn: &mut PgConnection,
    saga: &Saga,
    saga_id: Uuid,
) -> Result<Option<&'static Step>, SagaStoreError> {
    let step = sqlx::query_scalar!(
        "SELECT step FROM sagas WHERE saga = $1 AND saga_id = $2 FOR UPDATE",
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

/// What follows from a deadline that has passed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The caller asks again, in this transaction: the next deadline is set.
    Again,
    /// It was asked as often as is declared. Nothing more happens by itself.
    Stuck,
    /// The deadline is not the saga's any more: it has moved on, or somebody else has asked.
    NotDue,
}

/// Counts a repetition of what the saga's step asks for, and sets the deadline of the next; or leaves the saga stuck.
/// Locks the row to the end of the transaction.
///
/// # Errors
/// `Undeclared` if the row names a step of another version of the saga, `Database`.
pub async fn ask_again(conn: &mut PgConnection, saga: &Saga, due: &Due) -> Result<Asked, SagaStoreError> {
    let failed = |source| SagaStoreError::Database {
        saga: saga.name,
        saga_id: due.saga_id,
        source,
    };
    let step = saga.step(&due.step)?;
    let Some(Deadline::AskAgain(again)) = step.deadline else {
        return Ok(Asked::NotDue);
    };
    let asked = u32::try_from(due.attempts).unwrap_or_default();
    let stuck = asked >= again.attempts;
    let state = if stuck { "stuck" } else { step.state.as_str() };
    let wait = (!stuck).then(|| again.delay(asked.saturating_add(1)).as_secs_f64());
    let counted = sqlx::query!(
        "UPDATE sagas SET state = $5, attempts = attempts + CASE WHEN $6::float8 IS NULL THEN 0 ELSE 1 END,
                deadline = now() + make_interval(secs => $6), updated_at = now()
         WHERE saga = $1 AND saga_id = $2 AND step = $3 AND attempts = $4 AND deadline IS NOT NULL",
        saga.name,
        due.saga_id,
        step.name,
        due.attempts,
        state,
        wait,
    )
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(match (counted.rows_affected(), stuck) {
        (0, _) => Asked::NotDue,
        (_, true) => Asked::Stuck,
        (_, false) => Asked::Again,
    })
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
) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        "UPDATE sagas SET deadline = now() + make_interval(secs => $3)
         FROM (SELECT saga_id FROM sagas WHERE saga = $1 AND deadline <= now()
               ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED) AS due
         WHERE sagas.saga = $1 AND sagas.saga_id = due.saga_id
         RETURNING sagas.saga_id, sagas.step, sagas.attempts",
        saga.name,
        limit,
        lease_seconds,
    )
    .fetch_all(conn)
    .await
}
