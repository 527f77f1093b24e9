//! What command-api has decided: `command.items` and `command.uploads`.

use depot_read_model::EntityKind;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    database::Database,
    hop::{Hop, HopState, Seen},
};

/// The state that commands decide on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub version: i64,
    /// Of an item `draft`, `active`, `archived` or `deleted`.
    pub status: String,
    /// Why an upload was rejected or aborted.
    pub reason: Option<String>,
    pub updated_at: OffsetDateTime,
}

impl State {
    pub fn is_deleted_item(&self) -> bool {
        self.status == "deleted"
    }
}

pub async fn look(db: &mut Database, kind: EntityKind, id: Uuid) -> Seen<Option<State>> {
    match kind {
        EntityKind::Item => {
            db.ask("read the item's state", async |conn| {
                sqlx::query_as!(
                    State,
                    r#"SELECT version, CASE WHEN deleted THEN 'deleted' ELSE status END AS "status!",
                              NULL::text AS reason, updated_at
                       FROM command.items WHERE id = $1"#,
                    id
                )
                .fetch_optional(conn)
                .await
            })
            .await
        }
        EntityKind::Upload => {
            db.ask("read the upload's state", async |conn| {
                sqlx::query_as!(
                    State,
                    "SELECT version, status, reason, updated_at FROM command.uploads WHERE id = $1",
                    id
                )
                .fetch_optional(conn)
                .await
            })
            .await
        }
    }
}

/// What the database says of the restore epoch: events of now have it.
pub async fn epoch(db: &mut Database) -> Seen<i32> {
    db.ask("read the restore epoch", async |conn| {
        sqlx::query_scalar!("SELECT epoch FROM command.restore_epoch")
            .fetch_one(conn)
            .await
    })
    .await
}

pub fn hop(state: &Seen<Option<State>>, epoch: &Seen<i32>) -> Hop {
    const NAME: &str = "state (command-api)";
    match state {
        Err(why) => Hop::unseen(NAME, why),
        Ok(None) => Hop::new(NAME, HopState::NotReached, "command-api has no row of it"),
        Ok(Some(state)) => {
            let reason = state.reason.as_ref().map(|reason| format!(" ({reason})"));
            let detail = format!(
                "{}{}, version {}",
                state.status,
                reason.unwrap_or_default(),
                state.version
            );
            Hop::new(NAME, HopState::Done, detail)
                .since(state.updated_at)
                .figure("status", &*state.status)
                .figure("version", state.version)
                .figure("restore_epoch", epoch.as_ref().ok().copied())
        }
    }
}
