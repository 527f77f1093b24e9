//! The end of a version of the views. It is not fed any more from the first statement on; its rows go by a few thousand at a
//! time, and whoever asks for it asks until nothing is left.

use depot_service::database::Pool;
use std::time::Duration;

use depot_schemas::projections::{Dropped, ProjectionState};
use serde_json::json;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{
    ProjectionError,
    registry::{lock, lock_pointer, note_change, set_state},
};

/// Rows of a table that one statement removes, of the history those of so many changes and of what else their last item has.
const PAGE: i64 = 2_000;

/// Removes rows of a version of the views for about as long as `budget`. It may be asked for again and again, by anybody, also
/// after whoever asked first is gone.
///
/// # Errors
/// [`ProjectionError`]: it serves, or there is none of that number. What was removed stays removed.
pub async fn drop_rows(
    pool: &Pool,
    projection: i32,
    actor: &str,
    budget: Duration,
) -> Result<Dropped, ProjectionError> {
    let began = Instant::now();
    if begin(pool, projection, actor).await? == ProjectionState::Dropped {
        return Ok(Dropped {
            projection,
            rows: 0,
            is_done: true,
        });
    }
    let mut rows = 0;
    loop {
        let removed = remove_page(pool, projection)
            .await
            .map_err(ProjectionError::of("remove rows"))?;
        rows += removed;
        if removed == 0 {
            break;
        }
        if began.elapsed() >= budget {
            return Ok(Dropped {
                projection,
                rows,
                is_done: false,
            });
        }
    }
    end(pool, projection, actor).await?;
    Ok(Dropped {
        projection,
        rows,
        is_done: true,
    })
}

/// Nobody feeds it after this, since nobody finds an offset to move, and none is made for it. Answers its state.
async fn begin(pool: &Pool, projection: i32, actor: &str) -> Result<ProjectionState, ProjectionError> {
    let error = || ProjectionError::of("begin to drop a version of the views");
    let mut transaction = pool.begin().await.map_err(error())?;
    let serving = lock_pointer(&mut transaction).await.map_err(error())?;
    let listed = lock(&mut transaction, projection)
        .await
        .map_err(error())?
        .ok_or(ProjectionError::Unknown(projection))?;
    if projection == serving || listed.state == ProjectionState::Serving {
        let text = format!("projection {projection} serves: switch to another one first");
        return Err(ProjectionError::NotSo(text));
    }
    if listed.state.is_fed() {
        stop_feeding(&mut transaction, projection, actor)
            .await
            .map_err(error())?;
        transaction.commit().await.map_err(error())?;
        return Ok(ProjectionState::Dropping);
    }
    Ok(listed.state)
}

async fn stop_feeding(
    transaction: &mut PgConnection,
    projection: i32,
    actor: &str,
) -> Result<(), sqlx::Error> {
    set_state(transaction, projection, ProjectionState::Dropping).await?;
    // Waits for transactions that are under way.
    sqlx::query!("DELETE FROM read.offsets WHERE projection = $1", projection)
        .execute(&mut *transaction)
        .await?;
    note_change(transaction, actor, "drop", projection, json!({})).await
}

/// Removes a page of each table, and answers how many rows that were.
async fn remove_page(pool: &Pool, projection: i32) -> Result<u64, sqlx::Error> {
    Ok(remove_items(pool, projection).await?
        + remove_history(pool, projection).await?
        + remove_uploads(pool, projection).await?
        + remove_declared(pool, projection).await?
        + remove_statistics(pool, projection).await?)
}

async fn remove_items(pool: &Pool, projection: i32) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "DELETE FROM read.items WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM read.items WHERE projection = $1 LIMIT $2
         ))",
        projection,
        PAGE
    );
    Ok(removed.execute(pool).await?.rows_affected())
}

/// By a range of the key, which each partition of the table has an index for: a row's place says nothing in another partition.
async fn remove_history(pool: &Pool, projection: i32) -> Result<u64, sqlx::Error> {
    let last = sqlx::query_scalar!(
        "SELECT item_id FROM (
             SELECT item_id FROM read.item_history WHERE projection = $1 ORDER BY item_id LIMIT $2
         ) page ORDER BY item_id DESC LIMIT 1",
        projection,
        PAGE
    )
    .fetch_optional(pool)
    .await?;
    let Some(last) = last else { return Ok(0) };
    let removed = sqlx::query!(
        "DELETE FROM read.item_history WHERE projection = $1 AND item_id <= $2",
        projection,
        last
    );
    Ok(removed.execute(pool).await?.rows_affected())
}

async fn remove_uploads(pool: &Pool, projection: i32) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "DELETE FROM read.uploads WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM read.uploads WHERE projection = $1 LIMIT $2
         ))",
        projection,
        PAGE
    );
    Ok(removed.execute(pool).await?.rows_affected())
}

async fn remove_declared(pool: &Pool, projection: i32) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "DELETE FROM read.declared_aggregates WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM read.declared_aggregates WHERE projection = $1 LIMIT $2
         ))",
        projection,
        PAGE
    );
    Ok(removed.execute(pool).await?.rows_affected())
}

async fn remove_statistics(pool: &Pool, projection: i32) -> Result<u64, sqlx::Error> {
    let tags = sqlx::query!(
        "DELETE FROM read.tag_statistics WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM read.tag_statistics WHERE projection = $1 LIMIT $2
         ))",
        projection,
        PAGE
    );
    let owners = sqlx::query!(
        "DELETE FROM read.owner_statistics WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM read.owner_statistics WHERE projection = $1 LIMIT $2
         ))",
        projection,
        PAGE
    );
    let tags = tags.execute(pool).await?.rows_affected();
    Ok(tags + owners.execute(pool).await?.rows_affected())
}

/// Removes what there are only a few rows of, and notes that nothing is left.
async fn end(pool: &Pool, projection: i32, actor: &str) -> Result<(), ProjectionError> {
    let error = || ProjectionError::of("note that a version of the views is gone");
    let mut transaction = pool.begin().await.map_err(error())?;
    lock_pointer(&mut transaction).await.map_err(error())?;
    let listed = lock(&mut transaction, projection).await.map_err(error())?;
    // Another one that was asked for the same was here first.
    if listed.is_none_or(|listed| listed.state != ProjectionState::Dropping) {
        return Ok(());
    }
    let connection = &mut *transaction;
    let ended = async {
        sqlx::query!(
            "DELETE FROM read.item_history_floors WHERE projection = $1",
            projection
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!("DELETE FROM read.pending_cache WHERE projection = $1", projection)
            .execute(&mut *connection)
            .await?;
        sqlx::query!("DELETE FROM read.given_up WHERE projection = $1", projection)
            .execute(&mut *connection)
            .await?;
        set_state(connection, projection, ProjectionState::Dropped).await?;
        note_change(connection, actor, "dropped", projection, json!({})).await
    };
    ended.await.map_err(error())?;
    transaction.commit().await.map_err(error())
}
