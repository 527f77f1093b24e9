//! Sagas as a person sees them.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::machine::{Saga, SagaState};

/// No state is counted further.
const COUNTED: i64 = 10_000;
/// Those in which something is still to be done. The others only grow.
const OPEN: [SagaState; 3] = [SagaState::Running, SagaState::Compensating, SagaState::Stuck];

/// A row of `sagas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRow {
    pub saga: String,
    pub saga_id: Uuid,
    pub state: String,
    pub step: String,
    /// When it does something by itself; none for one that has ended or is stuck.
    pub deadline: Option<OffsetDateTime>,
    /// How often the present step has asked again.
    pub attempts: i32,
    pub started_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Which sagas are meant; what is none restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SagaFilter {
    pub saga: Option<String>,
    pub state: Option<String>,
    pub step: Option<String>,
}

/// Up to `limit` sagas after `after`, by name and id.
///
/// The kinds that there are of saga, state and step are found by jumping from one to the next, and of each kind that is
/// meant `limit` rows are read: what it costs depends neither on how many sagas there are nor on how rare the wanted
/// ones are.
///
/// # Errors
/// What Postgres answers.
pub async fn page(
    conn: &mut PgConnection,
    filter: &SagaFilter,
    after: Option<&(String, Uuid)>,
    limit: i64,
) -> Result<Vec<SagaRow>, sqlx::Error> {
    sqlx::query_as!(
        SagaRow,
        r#"WITH RECURSIVE kinds AS (
               (SELECT saga, state, step FROM sagas ORDER BY saga, state, step LIMIT 1)
               UNION ALL
               SELECT next.saga, next.state, next.step
               FROM kinds CROSS JOIN LATERAL (
                   SELECT s.saga, s.state, s.step FROM sagas s
                   WHERE (s.saga, s.state, s.step) > (kinds.saga, kinds.state, kinds.step)
                   ORDER BY s.saga, s.state, s.step LIMIT 1) AS next)
           SELECT row.saga AS "saga!", row.saga_id AS "saga_id!", row.state AS "state!", row.step AS "step!",
                  row.deadline, row.attempts AS "attempts!", row.started_at AS "started_at!",
                  row.updated_at AS "updated_at!"
           FROM kinds CROSS JOIN LATERAL (
               SELECT * FROM sagas s
               WHERE s.saga = kinds.saga AND s.state = kinds.state AND s.step = kinds.step
                 AND s.saga_id > CASE WHEN s.saga = $4 THEN $5::uuid
                                     ELSE '00000000-0000-0000-0000-000000000000'::uuid END
               ORDER BY s.saga_id LIMIT $6) AS row
           WHERE ($1::text IS NULL OR kinds.saga = $1) AND ($2::text IS NULL OR kinds.state = $2)
             AND ($3::text IS NULL OR kinds.step = $3) AND ($4::text IS NULL OR kinds.saga >= $4)
           ORDER BY row.saga, row.saga_id LIMIT $6"#,
        filter.saga,
        filter.state,
        filter.step,
        after.map(|(saga, _)| saga),
        after.map(|(_, id)| *id),
        limit,
    )
    .fetch_all(conn)
    .await
}

/// One saga; none if it never began.
///
/// # Errors
/// What Postgres answers.
pub async fn find(
    conn: &mut PgConnection,
    saga: &str,
    saga_id: Uuid,
) -> Result<Option<SagaRow>, sqlx::Error> {
    sqlx::query_as!(
        SagaRow,
        "SELECT saga, saga_id, state, step, deadline, attempts, started_at, updated_at
         FROM sagas WHERE saga = $1 AND saga_id = $2",
        saga,
        saga_id,
    )
    .fetch_optional(conn)
    .await
}

/// How many sagas of this kind are in each state in which something is still to be done, counted up to 10,000: entries of an
/// index, so that it costs the same however many have ended.
///
/// # Errors
/// What Postgres answers.
pub async fn count_open(conn: &mut PgConnection, saga: &Saga) -> Result<Vec<(SagaState, i64)>, sqlx::Error> {
    let states = OPEN.map(|state| state.as_str().to_owned());
    let counts = sqlx::query_scalar!(
        r#"SELECT counted.count AS "count!"
           FROM unnest($2::text[]) WITH ORDINALITY AS asked (state, number) CROSS JOIN LATERAL (
               SELECT count(*) AS count FROM (
                   SELECT FROM sagas s WHERE s.saga = $1 AND s.state = asked.state LIMIT $3) AS found) AS counted
           ORDER BY asked.number"#,
        saga.name,
        &states,
        COUNTED,
    )
    .fetch_all(conn)
    .await?;
    Ok(OPEN.into_iter().zip(counts).collect())
}
