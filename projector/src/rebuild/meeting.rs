//! Two versions of the views at the same place of every partition of the log, while both are fed and one of them serves.
//!
//! The one that serves never waits. The other one is held where it stands; when the one that serves has passed it everywhere, a
//! snapshot is taken of that one, and the other is let go exactly as far as the snapshot is, where a second snapshot is taken.
//! A hold is a limit in the row that every transaction of a projector moves (`offsets::advance`), and ends by itself.

use depot_service::database::Pool;
use std::{collections::BTreeMap, time::Duration};

use sqlx::{PgConnection, Postgres, Transaction};
use tokio::time::{Instant, sleep};

use super::ProjectionError;

/// How long both have to come to the same place, in each of two steps.
const LIMIT: Duration = Duration::from_secs(20);
/// Until a hold ends by itself, where nobody has ended it: longer than both steps.
const HOLD: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
/// How long a statement over a whole view may take, and a snapshot wait for the other one.
const STATEMENT_LIMIT: &str = "600s";

/// Next offsets by topic and partition.
pub(super) type Places = BTreeMap<(String, i32), i64>;

/// A snapshot of each, at the same offsets.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) serving: i32,
    pub(super) of_serving: Transaction<'static, Postgres>,
    pub(super) of_projection: Transaction<'static, Postgres>,
}

/// Brings `projection` to where the one that serves is.
///
/// # Errors
/// [`ProjectionError`]; nothing is held any more.
pub(super) async fn meet(pool: &Pool, projection: i32) -> Result<Met, ProjectionError> {
    let met = bring_together(pool, projection).await;
    let released = release(pool, projection).await;
    if let Err(error) = released {
        tracing::warn!(%error, projection, "a version of the views is held until its hold ends by itself");
    }
    met
}

async fn bring_together(pool: &Pool, projection: i32) -> Result<Met, ProjectionError> {
    let error = || ProjectionError::of("bring two versions of the views to the same offsets");
    let serving = sqlx::query_scalar!("SELECT projection FROM read.active_projection")
        .fetch_one(pool)
        .await
        .map_err(error())?;
    let not_met = || ProjectionError::NotMet {
        projection,
        serving,
        limit: LIMIT,
    };
    let held = hold_where_it_stands(pool, projection).await.map_err(error())?;
    if held.is_empty() {
        let text = format!("projection {projection} stands nowhere in the log: no projector feeds it yet");
        return Err(ProjectionError::NotSo(text));
    }
    wait_until(pool, serving, |places| is_as_far(places, &held))
        .await
        .map_err(error())?
        .ok_or_else(not_met)?;
    let mut of_serving = snapshot(pool).await.map_err(error())?;
    let place = places(&mut of_serving, serving).await.map_err(error())?;
    hold_at(pool, projection, &place).await.map_err(error())?;
    wait_until(pool, projection, |places| *places == place)
        .await
        .map_err(error())?
        .ok_or_else(not_met)?;
    let mut of_projection = snapshot(pool).await.map_err(error())?;
    // The hold may have ended between.
    if places(&mut of_projection, projection).await.map_err(error())? != place {
        return Err(not_met());
    }
    Ok(Met {
        serving,
        of_serving,
        of_projection,
    })
}

/// Whether `places` has passed all of `held`, or has come to them.
fn is_as_far(places: &Places, held: &Places) -> bool {
    held.iter()
        .all(|(place, offset)| places.get(place).is_some_and(|next| next >= offset))
}

/// None if it is not so in time.
async fn wait_until(
    pool: &Pool,
    projection: i32,
    is_there: impl Fn(&Places) -> bool,
) -> Result<Option<()>, sqlx::Error> {
    let deadline = Instant::now() + LIMIT;
    let mut connection = pool.acquire().await?;
    loop {
        if is_there(&places(&mut connection, projection).await?) {
            return Ok(Some(()));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(LOOK).await;
    }
}

/// A transaction that sees one moment, and changes nothing.
async fn snapshot(pool: &Pool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    // The pool's own settings are for statements of a moment, by keys.
    sqlx::query!(
        r#"SELECT set_config('statement_timeout', $1, true) AS "statement!",
                  set_config('idle_in_transaction_session_timeout', $1, true) AS "idle!",
                  set_config('enable_seqscan', 'on', true) AS "scan!",
                  set_config('plan_cache_mode', 'force_custom_plan', true) AS "plans!""#,
        STATEMENT_LIMIT
    )
    .fetch_one(&mut *transaction)
    .await?;
    Ok(transaction)
}

async fn places(connection: &mut PgConnection, projection: i32) -> Result<Places, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT topic, partition, next_offset FROM read.offsets WHERE projection = $1",
        projection
    )
    .fetch_all(connection)
    .await?;
    let places = rows
        .into_iter()
        .map(|row| ((row.topic, row.partition), row.next_offset));
    Ok(places.collect())
}

async fn hold_where_it_stands(pool: &Pool, projection: i32) -> Result<Places, sqlx::Error> {
    let rows = sqlx::query!(
        "UPDATE read.offsets
         SET hold_at = next_offset, held_until = clock_timestamp() + make_interval(secs => $2)
         WHERE projection = $1
         RETURNING topic, partition, next_offset",
        projection,
        HOLD.as_secs_f64()
    )
    .fetch_all(pool)
    .await?;
    let places = rows
        .into_iter()
        .map(|row| ((row.topic, row.partition), row.next_offset));
    Ok(places.collect())
}

async fn hold_at(pool: &Pool, projection: i32, place: &Places) -> Result<(), sqlx::Error> {
    let topics: Vec<&str> = place.keys().map(|(topic, _)| topic.as_str()).collect();
    let partitions: Vec<i32> = place.keys().map(|(_, partition)| *partition).collect();
    let offsets: Vec<i64> = place.values().copied().collect();
    sqlx::query!(
        r#"UPDATE read.offsets o SET hold_at = p."offset"
           FROM unnest($2::text[], $3::integer[], $4::bigint[]) AS p (topic, partition, "offset")
           WHERE o.projection = $1 AND o.topic = p.topic AND o.partition = p.partition"#,
        projection,
        &topics as &[&str],
        &partitions,
        &offsets
    )
    .execute(pool)
    .await
    .map(drop)
}

async fn release(pool: &Pool, projection: i32) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE read.offsets SET hold_at = NULL, held_until = NULL WHERE projection = $1",
        projection
    )
    .execute(pool)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_as_far_where_it_has_every_partition_of_the_other() {
        let places = |offsets: &[(i32, i64)]| -> Places {
            let place = |(partition, offset): &(i32, i64)| (("t".to_owned(), *partition), *offset);
            offsets.iter().map(place).collect()
        };
        let held = places(&[(0, 3), (1, 5)]);
        assert!(is_as_far(&places(&[(0, 3), (1, 9), (2, 0)]), &held));
        assert!(!is_as_far(&places(&[(0, 9), (1, 4)]), &held));
        assert!(!is_as_far(&places(&[(0, 9)]), &held));
    }
}
