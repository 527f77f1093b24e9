//! The switch: one transaction, after which readers are answered from another version of the views.

use depot_service::database::Pool;
use std::time::Duration;

use depot_schemas::projections::{ProjectionState, Switched};
use serde_json::json;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::{
    ProjectionError,
    error::BehindPlace,
    registry::{lock, lock_pointer, note_change, set_state},
};

/// Between looks at how far the new one has come.
const LOOK: Duration = Duration::from_millis(5);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct SwitchRequest<'a> {
    pub to: i32,
    /// The subject of the token.
    pub actor: &'a str,
    /// Also where the two were not compared, or differed.
    pub accept_differences: bool,
    /// How long the one that serves may stand still until the new one has caught up with it.
    pub stand_still: Duration,
}

/// Makes another version of the views the one that readers are answered from.
///
/// The one that served stands still meanwhile, by its offset rows, and the new one is as far in every partition: so no reader is
/// shown less than before. Which of the two a projector's transaction belongs to is as clear: it holds offsets of one of them,
/// so it commits before the switch, or begins to look at the pointer after it. The cache is left behind by its generation, since
/// what it holds of either was not kept up while that one did not serve.
///
/// # Errors
/// [`ProjectionError`]; nothing was changed, unless Postgres went away in the commit.
pub async fn switch(pool: &Pool, request: SwitchRequest<'_>) -> Result<Switched, ProjectionError> {
    let mut transaction = pool.begin().await.map_err(ProjectionError::of("begin"))?;
    let from = lock_pointer(&mut transaction)
        .await
        .map_err(ProjectionError::of("take the pointer"))?;
    check(&mut transaction, request, from).await?;
    let began = Instant::now();
    wait_until_as_far(&mut transaction, request, from).await?;
    point(&mut transaction, request, from)
        .await
        .map_err(ProjectionError::of("move the pointer"))?;
    transaction
        .commit()
        .await
        .map_err(ProjectionError::of("commit the switch"))?;
    let held_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        from,
        to = request.to,
        held_ms,
        "another version of the views serves"
    );
    Ok(Switched {
        from,
        to: request.to,
        held_ms,
    })
}

/// Switches back to the version that served before: the one of those that stand by that did so last.
///
/// # Errors
/// As [`switch`].
pub async fn roll_back(pool: &Pool, actor: &str, stand_still: Duration) -> Result<Switched, ProjectionError> {
    let before = sqlx::query_scalar!(
        "SELECT projection FROM read.projections WHERE state = 'standby' ORDER BY served_to DESC NULLS LAST LIMIT 1"
    )
    .fetch_optional(pool)
    .await
    .map_err(ProjectionError::of("tell which version served before"))?;
    let Some(to) = before else {
        let text = "no version of the views stands by: none served before, or it was dropped";
        return Err(ProjectionError::NotSo(text.to_owned()));
    };
    let request = SwitchRequest {
        to,
        actor,
        accept_differences: true,
        stand_still,
    };
    switch(pool, request).await
}

async fn check(
    transaction: &mut PgConnection,
    request: SwitchRequest<'_>,
    from: i32,
) -> Result<(), ProjectionError> {
    let to = request.to;
    let listed = lock(transaction, to)
        .await
        .map_err(ProjectionError::of("look for a version of the views"))?
        .ok_or(ProjectionError::Unknown(to))?;
    let refusal = match (listed.state, listed.differences) {
        _ if to == from => Some("it serves already"),
        (ProjectionState::Standby, _) => None,
        (ProjectionState::Building, _) if request.accept_differences => None,
        (ProjectionState::Building, Some(0)) => None,
        (ProjectionState::Building, None) => Some(
            "it was not compared with the one that serves: `depot projection rebuild` does that, when it has caught up",
        ),
        (ProjectionState::Building, Some(_)) => {
            Some("it differed from the one that serves: see why, then say --accept-differences")
        }
        (ProjectionState::Dropping | ProjectionState::Dropped, _) => Some("it is not fed any more"),
        (ProjectionState::Serving, _) => Some("the list of versions contradicts the pointer"),
    };
    match refusal {
        None => Ok(()),
        Some(text) => Err(ProjectionError::NotSo(format!("projection {to}: {text}"))),
    }
}

/// Holds all offsets of both, once the new one is as far as the other in every partition.
async fn wait_until_as_far(
    transaction: &mut PgConnection,
    request: SwitchRequest<'_>,
    from: i32,
) -> Result<(), ProjectionError> {
    let error = || ProjectionError::of("compare the offsets");
    let deadline = Instant::now() + request.stand_still;
    loop {
        // Again each time: a partition that is new to it has a row only now.
        hold(transaction, from).await.map_err(error())?;
        let places = behind(transaction, from, request.to).await.map_err(error())?;
        if places.is_empty() {
            // It only goes further. What it has under way is committed before it is known which of the two serves.
            return hold(transaction, request.to).await.map_err(error());
        }
        if Instant::now() >= deadline {
            return Err(ProjectionError::Behind {
                projection: request.to,
                serving: from,
                places,
            });
        }
        sleep(LOOK).await;
    }
}

/// Takes the offsets of a version of the views, in the order in which its transactions do.
async fn hold(transaction: &mut PgConnection, projection: i32) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT next_offset FROM read.offsets WHERE projection = $1 ORDER BY topic, partition FOR UPDATE",
        projection
    )
    .fetch_all(transaction)
    .await
    .map(drop)
}

/// The partitions in which `to` is behind `from`.
async fn behind(transaction: &mut PgConnection, from: i32, to: i32) -> Result<Vec<BehindPlace>, sqlx::Error> {
    sqlx::query_as!(
        BehindPlace,
        r#"SELECT s.topic, s.partition, s.next_offset AS serving, n.next_offset AS "next_offset?"
           FROM read.offsets s
           LEFT JOIN read.offsets n ON n.projection = $2 AND n.topic = s.topic AND n.partition = s.partition
           WHERE s.projection = $1 AND coalesce(n.next_offset, -1) < s.next_offset
           ORDER BY s.topic, s.partition"#,
        from,
        to
    )
    .fetch_all(transaction)
    .await
}

async fn point(
    transaction: &mut PgConnection,
    request: SwitchRequest<'_>,
    from: i32,
) -> Result<(), sqlx::Error> {
    let to = request.to;
    // One serves at a time, so the other goes first.
    set_state(transaction, from, ProjectionState::Standby).await?;
    set_state(transaction, to, ProjectionState::Serving).await?;
    sqlx::query!("UPDATE read.active_projection SET projection = $1", to)
        .execute(&mut *transaction)
        .await?;
    // In the order in which the upkeep takes them.
    sqlx::query!("DELETE FROM read.pending_cache WHERE projection = $1", from)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!("UPDATE read.cache_generation SET generation = generation + 1")
        .execute(&mut *transaction)
        .await?;
    let detail = json!({ "from": from, "accept_differences": request.accept_differences });
    note_change(transaction, request.actor, "switch", to, detail).await
}
