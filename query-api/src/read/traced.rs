//! What the views have of one id, for a person who follows it.

use depot_read_model::EntityKind;
use depot_service::database::Pool;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Versions that are told; an item may have thousands.
const MOST: i64 = 50;

/// What the schema `read` has of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Which version of the views serves.
    pub projection: i32,
    pub generation: i64,
    pub row: Option<Row>,
    /// An item's newest versions, the newest first.
    pub history: Vec<Event>,
    pub pending: Option<Pending>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub epoch: i32,
    pub version: i64,
    pub status: String,
    pub updated_at: OffsetDateTime,
}

/// The event of a version, and where it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub epoch: i32,
    pub version: i64,
    pub event_id: Uuid,
    pub event_type: String,
    pub occurred_at: OffsetDateTime,
    pub topic: String,
    pub partition: i32,
    /// Below 0 where the log that it lay in was lost since.
    pub offset: i64,
}

/// A row that Redis has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub epoch: i32,
    pub version: i64,
    pub noted_at: OffsetDateTime,
}

pub async fn look(pool: &Pool, kind: EntityKind, id: Uuid) -> Result<Traced, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let pointer = sqlx::query!(
        r#"SELECT p.projection, g.generation FROM read.active_projection p CROSS JOIN read.cache_generation g"#
    )
    .fetch_one(&mut *conn)
    .await?;
    let projection = pointer.projection;
    let row = row(&mut conn, kind, projection, id).await?;
    let history = match kind {
        EntityKind::Item => history(&mut conn, projection, id).await?,
        EntityKind::Upload => Vec::new(),
    };
    let pending = sqlx::query_as!(
        Pending,
        "SELECT epoch, version, noted_at FROM read.pending_cache WHERE projection = $1 AND kind = $2 AND id = $3",
        projection,
        kind.as_str(),
        id
    )
    .fetch_optional(&mut *conn)
    .await?;
    Ok(Traced {
        projection,
        generation: pointer.generation,
        row,
        history,
        pending,
    })
}

async fn row(
    conn: &mut PgConnection,
    kind: EntityKind,
    projection: i32,
    id: Uuid,
) -> Result<Option<Row>, sqlx::Error> {
    match kind {
        EntityKind::Item => {
            sqlx::query_as!(
                Row,
                r#"SELECT epoch, version, CASE WHEN deleted THEN 'deleted' ELSE status END AS "status!", updated_at
                   FROM read.items WHERE projection = $1 AND id = $2"#,
                projection,
                id
            )
            .fetch_optional(conn)
            .await
        }
        EntityKind::Upload => {
            sqlx::query_as!(
                Row,
                "SELECT epoch, version, status, updated_at FROM read.uploads WHERE projection = $1 AND id = $2",
                projection,
                id
            )
            .fetch_optional(conn)
            .await
        }
    }
}

async fn history(conn: &mut PgConnection, projection: i32, id: Uuid) -> Result<Vec<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        r#"SELECT h.epoch, h.version, h.event_id, h.event_type, h.occurred_at, h.topic, h.partition,
                  h."offset" - o.log_base AS "offset!"
           FROM read.item_history h JOIN read.offsets o USING (projection, topic, partition)
           WHERE h.projection = $1 AND h.item_id = $2
           ORDER BY h.epoch DESC, h.version DESC LIMIT $3"#,
        projection,
        id,
        MOST
    )
    .fetch_all(conn)
    .await
}
