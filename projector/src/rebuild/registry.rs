//! The list of the versions of the views: `read.projections`, and who changed it: `read.projection_changes`.

use depot_schemas::projections::{ProjectionState, Registered};
use depot_service::database::Pool;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::ProjectionError;
use crate::projections::SHAPE;

/// A version of the views that this program feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fed {
    pub(super) projection: i32,
    pub(super) serves: bool,
}

/// Those that this program feeds: all that are fed and of its shape.
pub(super) async fn fed(pool: &Pool) -> Result<Vec<Fed>, sqlx::Error> {
    sqlx::query_as!(
        Fed,
        r#"SELECT p.projection, p.projection = a.projection AS "serves!"
           FROM read.projections p CROSS JOIN read.active_projection a
           WHERE p.shape = $1 AND p.state IN ('building', 'serving', 'standby')
           ORDER BY p.projection"#,
        SHAPE
    )
    .fetch_all(pool)
    .await
}

/// Has a new version of the views built, by the programs of this shape; or tells of the one that is being built already. With
/// `skip_poison` it passes events that it cannot apply, though the one that serves has applied them.
///
/// # Errors
/// [`ProjectionError::Database`].
pub async fn register(pool: &Pool, actor: &str, skip_poison: bool) -> Result<Registered, ProjectionError> {
    let mut transaction = pool.begin().await.map_err(ProjectionError::of("begin"))?;
    let registered = register_in(&mut transaction, actor, skip_poison)
        .await
        .map_err(ProjectionError::of("register a version of the views"))?;
    transaction
        .commit()
        .await
        .map_err(ProjectionError::of("register a version of the views"))?;
    Ok(registered)
}

async fn register_in(
    transaction: &mut PgConnection,
    actor: &str,
    skip_poison: bool,
) -> Result<Registered, sqlx::Error> {
    lock_pointer(transaction).await?;
    let building = sqlx::query!(
        "SELECT projection, skips_poison FROM read.projections WHERE state = 'building' AND shape = $1
         ORDER BY projection DESC LIMIT 1",
        SHAPE
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let registered = match building {
        Some(row) => Registered {
            projection: row.projection,
            is_new: false,
            skips_poison: row.skips_poison || skip_poison,
        },
        None => Registered {
            projection: add(transaction).await?,
            is_new: true,
            skips_poison: skip_poison,
        },
    };
    if skip_poison {
        sqlx::query!(
            "UPDATE read.projections SET skips_poison = true WHERE projection = $1",
            registered.projection
        )
        .execute(&mut *transaction)
        .await?;
    }
    let detail =
        json!({ "is_new": registered.is_new, "skips_poison": registered.skips_poison, "shape": SHAPE });
    note_change(transaction, actor, "rebuild", registered.projection, detail).await?;
    Ok(registered)
}

/// Numbers are not given a second time, also not those of versions that were dropped.
async fn add(transaction: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO read.projections (projection, shape, state)
         SELECT max(projection) + 1, $1, 'building' FROM read.projections
         RETURNING projection",
        SHAPE
    )
    .fetch_one(transaction)
    .await
}

/// Takes the pointer, which whoever changes the list takes first, so that one of them at a time does. Readers do not wait.
pub(super) async fn lock_pointer(transaction: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!("SELECT projection FROM read.active_projection FOR UPDATE")
        .fetch_one(transaction)
        .await
}

/// A version of the views, whose row is held until the transaction ends.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) state: ProjectionState,
    /// How many rows differed when it was compared last; none if it never was.
    pub(super) differences: Option<i64>,
}

/// None if there is none of that number.
pub(super) async fn lock(
    transaction: &mut PgConnection,
    projection: i32,
) -> Result<Option<Listed>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT state, differences FROM read.projections WHERE projection = $1 FOR UPDATE",
        projection
    )
    .fetch_optional(transaction)
    .await?;
    Ok(row.and_then(|row| {
        Some(Listed {
            // A constraint holds the names.
            state: ProjectionState::from_name(&row.state)?,
            differences: row.differences,
        })
    }))
}

pub(super) async fn set_state(
    connection: &mut PgConnection,
    projection: i32,
    state: ProjectionState,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE read.projections
         SET state = $2,
             served_from = CASE WHEN $2 = 'serving' THEN clock_timestamp() ELSE served_from END,
             served_to = CASE WHEN state = 'serving' THEN clock_timestamp() ELSE served_to END
         WHERE projection = $1",
        projection,
        state.as_str()
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn note_change(
    connection: &mut PgConnection,
    actor: &str,
    action: &str,
    projection: i32,
    detail: Value,
) -> Result<(), sqlx::Error> {
    tracing::info!(
        actor,
        action,
        projection,
        %detail,
        "the versions of the views were changed by an operator"
    );
    sqlx::query!(
        "INSERT INTO read.projection_changes (actor, action, projection, detail) VALUES ($1, $2, $3, $4)",
        actor,
        action,
        projection,
        detail
    )
    .execute(connection)
    .await
    .map(drop)
}
