//! The views that serve: the row, the history, and what Redis has not been told of yet.

use depot_read_model::EntityKind;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen},
    log::Place,
    search::LogRecord,
};

/// What the schema `read` has of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Views {
    /// Which version of the views serves.
    pub projection: i32,
    pub generation: i64,
    pub row: Option<Row>,
    /// Versions of an item in its history: how many, and the newest.
    pub history: (i64, Option<i64>),
    pub pending: Option<Pending>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub epoch: i32,
    pub version: i64,
    pub status: String,
    pub updated_at: OffsetDateTime,
}

/// A row that Redis has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub epoch: i32,
    pub version: i64,
    pub noted_at: OffsetDateTime,
}

impl Views {
    /// Whether they show a version or a newer one; of any restore epoch where none is known.
    pub fn show(&self, version: i64, epoch: Option<i32>) -> bool {
        self.row
            .as_ref()
            .is_some_and(|row| (row.epoch, row.version) >= (epoch.unwrap_or(row.epoch), version))
    }
}

pub async fn look(db: &mut Database, kind: EntityKind, id: Uuid) -> Seen<Views> {
    db.ask("read the views", async |conn| {
        let pointer = sqlx::query!(
            r#"SELECT p.projection, g.generation FROM read.active_projection p CROSS JOIN read.cache_generation g"#
        )
        .fetch_one(&mut *conn)
        .await?;
        let projection = pointer.projection;
        let row = row(conn, kind, projection, id).await?;
        let history = sqlx::query!(
            r#"SELECT count(*) AS "count!", max(version) AS newest FROM read.item_history
               WHERE projection = $1 AND item_id = $2"#,
            projection,
            id
        )
        .fetch_one(&mut *conn)
        .await?;
        let pending = sqlx::query_as!(
            Pending,
            "SELECT epoch, version, noted_at FROM read.pending_cache WHERE projection = $1 AND kind = $2 AND id = $3",
            projection,
            kind.as_str(),
            id
        )
        .fetch_optional(&mut *conn)
        .await?;
        Ok(Views {
            projection,
            generation: pointer.generation,
            row,
            history: (history.count, history.newest),
            pending,
        })
    })
    .await
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

/// Where the history says that the event of an item's version lies; of the newest restore epoch, where there are several. None
/// of one that lay in a log that was lost since.
pub async fn history_of(db: &mut Database, item: Uuid, version: i64) -> Seen<Option<LogRecord>> {
    let row = db
        .ask("read the history", async |conn| {
            sqlx::query!(
                r#"SELECT h.epoch, h.event_id, h.event_type, h.occurred_at, h.topic, h.partition,
                          h."offset" - o.log_base AS "offset!"
                   FROM read.item_history h JOIN read.offsets o USING (projection, topic, partition)
                   WHERE h.projection = (SELECT projection FROM read.active_projection) AND h.item_id = $1 AND h.version = $2
                   ORDER BY h.epoch DESC LIMIT 1"#,
                item,
                version
            )
            .fetch_optional(conn)
            .await
        })
        .await?;
    let row = row.filter(|row| row.offset >= 0);
    Ok(row.map(|row| LogRecord {
        place: Place {
            topic: row.topic,
            partition: row.partition,
            offset: row.offset,
        },
        key: Some(item.to_string()),
        at: Some(row.occurred_at),
        event_id: Some(row.event_id),
        event_type: Some(row.event_type),
        version: Some(version),
        epoch: Some(row.epoch),
    }))
}

pub fn hop(kind: EntityKind, views: &Seen<Views>, version: Option<i64>, epoch: Option<i32>) -> Hop {
    let name = match kind {
        EntityKind::Item => "view read.items",
        EntityKind::Upload => "view read.uploads",
    };
    let views = match views {
        Err(why) => return Hop::unseen(name, why),
        Ok(views) => views,
    };
    let is_shown = version.is_some_and(|version| views.show(version, epoch));
    let (count, newest) = views.history;
    let history = match (kind, newest) {
        (EntityKind::Upload, _) => String::new(),
        (EntityKind::Item, None) => "; no history".to_owned(),
        (EntityKind::Item, Some(newest)) => format!("; {count} versions in the history, up to {newest}"),
    };
    let projection = views.projection;
    let (detail, since) = match &views.row {
        Some(row) => (
            format!(
                "{}, version {}, projection {projection}{history}",
                row.status, row.version
            ),
            Some(row.updated_at),
        ),
        None => (format!("no row, projection {projection}{history}"), None),
    };
    let state = if is_shown {
        HopState::Done
    } else {
        HopState::NotReached
    };
    Hop::new(name, state, detail)
        .since(since)
        .figure("projection", projection)
        .figure("version", views.row.as_ref().map(|row| row.version))
        .figure("restore_epoch", views.row.as_ref().map(|row| row.epoch))
        .figure("history_rows", count)
}
