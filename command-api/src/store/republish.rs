//! The run that tells the state once more, and what the log has and the state has not.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, stored};

/// What of the state is being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Items,
    Uploads,
    /// What the log has of epochs that are over, and the state has not.
    Lost,
    Done,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Uploads => "uploads",
            Self::Lost => "lost",
            Self::Done => "done",
        }
    }
}

/// The run that is under way, or was the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStatus {
    /// None before the first one.
    pub run_id: Option<Uuid>,
    /// `asked`, `log_lost` or `restored`.
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub requested_at: Option<OffsetDateTime>,
    /// `items`, `uploads`, `lost` or `done`.
    pub stage: String,
    /// Snapshots that it has told.
    pub items: i64,
    pub uploads: i64,
    /// Aggregates of a history that is over, which it told to be gone.
    pub lost: i64,
    pub finished_at: Option<OffsetDateTime>,
    /// About how many there are, by the database's statistics.
    pub items_estimated: i64,
    pub uploads_estimated: i64,
    /// How often the database was set back, or since when: part of each snapshot.
    pub epoch: i32,
}

/// Where a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub stage: Stage,
    /// Up to here all of the stage is told.
    pub after: Uuid,
}

/// How far one transaction comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub to: Place,
    pub items: i64,
    pub uploads: i64,
    pub lost: i64,
}

/// Begins a run; false if one is under way, which then goes on.
pub async fn begin(conn: &mut PgConnection, run_id: Uuid, requested_by: &str) -> Result<bool, StoreError> {
    let begun = sqlx::query!(
        "UPDATE command.republish
         SET run_id = $1, reason = 'asked', requested_by = $2, requested_at = now(), stage = 'items',
             after_id = '00000000-0000-0000-0000-000000000000', items = 0, uploads = 0, lost = 0, finished_at = NULL,
             holder = NULL, expires_at = NULL
         WHERE stage = 'done'",
        run_id,
        requested_by
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("begin a republish"))?;
    Ok(begun.rows_affected() == 1)
}

pub async fn status(conn: &mut PgConnection) -> Result<RunStatus, StoreError> {
    sqlx::query_as!(
        RunStatus,
        r#"SELECT r.run_id, r.reason, r.requested_by, r.requested_at, r.stage, r.items, r.uploads, r.lost,
                  r.finished_at, e.epoch,
                  greatest((SELECT reltuples FROM pg_class WHERE oid = 'command.items'::regclass), 0)::bigint
                      AS "items_estimated!",
                  greatest((SELECT reltuples FROM pg_class WHERE oid = 'command.uploads'::regclass), 0)::bigint
                      AS "uploads_estimated!"
           FROM command.republish r, command.restore_epoch e"#
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("read how far a republish has come"))
}

/// Whether there is something to do for `holder`; waits for nobody.
pub async fn is_due(conn: &mut PgConnection, holder: Uuid) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT stage <> 'done' AND (holder IS NULL OR holder = $1 OR expires_at < now()) AS "is_due!"
           FROM command.republish"#,
        holder
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("look for a republish"))
}

/// Takes the run that is under way for `lease_seconds`, or goes on with it, and says where; none if there is none, or another
/// process has it. The row is locked to the end of the transaction, before any aggregate.
pub async fn take(
    conn: &mut PgConnection,
    holder: Uuid,
    lease_seconds: f64,
) -> Result<Option<Place>, StoreError> {
    let row = sqlx::query!(
        "UPDATE command.republish SET holder = $1, expires_at = now() + make_interval(secs => $2)
         WHERE stage <> 'done' AND (holder IS NULL OR holder = $1 OR expires_at < now())
         RETURNING stage, after_id",
        holder,
        lease_seconds
    )
    .fetch_optional(conn)
    .await
    .map_err(StoreError::doing("take a republish"))?;
    let place = row.map(|row| {
        Ok(Place {
            stage: stored("republish", "run", row.stage)?,
            after: row.after_id,
        })
    });
    place.transpose()
}

/// Writes how far the run has come, in the transaction that tells it. The caller has it by [`take`].
pub async fn advance(conn: &mut PgConnection, progress: Progress) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE command.republish
         SET stage = $1, after_id = $2, items = items + $3, uploads = uploads + $4, lost = lost + $5,
             finished_at = CASE WHEN $1 = 'done' THEN now() END,
             holder = CASE WHEN $1 <> 'done' THEN holder END,
             expires_at = CASE WHEN $1 <> 'done' THEN expires_at END",
        progress.to.stage.as_str(),
        progress.to.after,
        progress.items,
        progress.uploads,
        progress.lost
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("write how far a republish has come"))?;
    Ok(())
}

/// Lets another process go on at once.
pub async fn release(conn: &mut PgConnection, holder: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE command.republish SET holder = NULL, expires_at = NULL WHERE holder = $1",
        holder
    )
    .execute(conn)
    .await
    .map_err(StoreError::doing("give a republish back"))?;
    Ok(())
}

/// Ids of uploads after `after`, in their order.
pub async fn upload_ids(conn: &mut PgConnection, after: Uuid, limit: i64) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar!(
        "SELECT id FROM command.uploads WHERE id > $1 ORDER BY id LIMIT $2",
        after,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("list uploads"))
}

/// What the log says of one aggregate that may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    pub id: Uuid,
    pub owner: String,
    pub occurred_at: OffsetDateTime,
    pub version: String,
}

/// Notes those of the items that the state does not have and that were not noted in this epoch, and answers their ids.
pub async fn note_lost_items(
    conn: &mut PgConnection,
    epoch: i32,
    former: &[Former],
) -> Result<Vec<Uuid>, StoreError> {
    let columns = Columns::of(former);
    sqlx::query_scalar!(
        "INSERT INTO command.lost_aggregates (entity, id, epoch, owner, occurred_at, seen_version)
         SELECT 'items', f.id, $1, f.owner, f.occurred_at, f.version
         FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[]) AS f (id, owner, occurred_at, version)
         WHERE NOT EXISTS (SELECT FROM command.items i WHERE i.id = f.id)
         ON CONFLICT DO NOTHING RETURNING id",
        epoch,
        &columns.ids,
        &columns.owners,
        &columns.times,
        &columns.versions
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("note lost items"))
}

/// As [`note_lost_items`], of uploads.
pub async fn note_lost_uploads(
    conn: &mut PgConnection,
    epoch: i32,
    former: &[Former],
) -> Result<Vec<Uuid>, StoreError> {
    let columns = Columns::of(former);
    sqlx::query_scalar!(
        "INSERT INTO command.lost_aggregates (entity, id, epoch, owner, occurred_at, seen_version)
         SELECT 'uploads', f.id, $1, f.owner, f.occurred_at, f.version
         FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[]) AS f (id, owner, occurred_at, version)
         WHERE NOT EXISTS (SELECT FROM command.uploads u WHERE u.id = f.id)
         ON CONFLICT DO NOTHING RETURNING id",
        epoch,
        &columns.ids,
        &columns.owners,
        &columns.times,
        &columns.versions
    )
    .fetch_all(conn)
    .await
    .map_err(StoreError::doing("note lost uploads"))
}

#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    owners: Vec<String>,
    times: Vec<OffsetDateTime>,
    versions: Vec<String>,
}

impl Columns {
    fn of(former: &[Former]) -> Self {
        let mut columns = Self::default();
        for one in former {
            columns.ids.push(one.id);
            columns.owners.push(one.owner.clone());
            columns.times.push(one.occurred_at);
            columns.versions.push(one.version.clone());
        }
        columns
    }
}
