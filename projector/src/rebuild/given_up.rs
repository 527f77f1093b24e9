//! Events that cannot be applied: `read.given_up`.
//!
//! One rule for every version of the views that does not serve, whether it is being built or stands by: it passes what the one
//! that serves has given up, whose dead letter is written, and stands before anything else that it cannot apply, since it
//! would not show what the other shows. An operator may tell it to pass all (`skips_poison`). It writes no dead letter.
//!
//! The version that serves notes an event before its dead letter is written, and goes past it after; so one that is noted, and
//! that it has passed, has its letter.

use depot_consumer::{Failure, GivenUp, Poison, Record};
use depot_service::database::Pool;

/// Characters of a reason that are kept.
const LONGEST_MESSAGE: usize = 500;

/// What becomes of an event that `projection` cannot apply.
///
/// # Errors
/// Transient: it is not to be passed now, or Postgres does not answer.
pub(crate) async fn decide(
    pool: &Pool,
    projection: i32,
    record: &Record,
    poison: &Poison,
) -> Result<GivenUp, Failure> {
    let place = (&*record.topic, record.partition, record.offset);
    let decision = look(pool, projection, place)
        .await
        .map_err(|error| Failure::transient("look who has given up an event", error))?;
    note(pool, projection, place, poison, decision.is_some())
        .await
        .map_err(|error| Failure::transient("note an event that cannot be applied", error))?;
    match decision {
        Some(given_up) => Ok(given_up),
        None => Err(Failure::Transient {
            message: format!(
                "projection {projection} cannot apply offset {} of {} [{}], which the one that serves has not given up: {poison}",
                record.offset, record.topic, record.partition
            ),
            source: None,
        }),
    }
}

/// None if it is not to be passed.
async fn look(
    pool: &Pool,
    projection: i32,
    (topic, partition, offset): (&str, i32, i64),
) -> Result<Option<GivenUp>, sqlx::Error> {
    let found = sqlx::query!(
        r#"SELECT a.projection = p.projection AS "serves!", p.skips_poison,
                  EXISTS (SELECT FROM read.given_up g
                          JOIN read.offsets o USING (projection, topic, partition)
                          WHERE g.projection = a.projection AND g.topic = $2 AND g.partition = $3
                            AND g."offset" = $4 + o.log_base
                            AND o.next_offset > g."offset") AS "has_letter!"
           FROM read.projections p CROSS JOIN read.active_projection a
           WHERE p.projection = $1"#,
        projection,
        topic,
        partition,
        offset
    )
    .fetch_one(pool)
    .await?;
    Ok(match (found.serves, found.has_letter || found.skips_poison) {
        (true, _) => Some(GivenUp::DeadLetter),
        (false, true) => {
            tracing::warn!(
                messaging.destination.name = topic,
                messaging.destination.partition.id = partition,
                messaging.kafka.offset = offset,
                projection,
                has_dead_letter = found.has_letter,
                "an event is passed by a version of the views that cannot apply it"
            );
            Some(GivenUp::Passed)
        }
        (false, false) => None,
    })
}

async fn note(
    pool: &Pool,
    projection: i32,
    (topic, partition, offset): (&str, i32, i64),
    poison: &Poison,
    passed: bool,
) -> Result<(), sqlx::Error> {
    // Postgres takes no NUL, which is what may be wrong with an event.
    let text = |text: &str| -> String { text.replace('\0', " ").chars().take(LONGEST_MESSAGE).collect() };
    sqlx::query!(
        r#"INSERT INTO read.given_up AS g (projection, topic, partition, "offset", reason_class, message, passed)
           VALUES ($1, $2, $3, $4 + coalesce((SELECT log_base FROM read.offsets
                                              WHERE projection = $1 AND topic = $2 AND partition = $3), 0), $5, $6, $7)
           ON CONFLICT (projection, topic, partition, "offset") DO UPDATE
           SET reason_class = EXCLUDED.reason_class, message = EXCLUDED.message, passed = EXCLUDED.passed,
               noted_at = EXCLUDED.noted_at"#,
        projection,
        topic,
        partition,
        offset,
        text(&poison.reason_class),
        text(&poison.message),
        passed
    )
    .execute(pool)
    .await
    .map(drop)
}
