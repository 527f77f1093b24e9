use sqlx::{Executor as _, PgConnection};
use time::OffsetDateTime;

use super::StoreError;

/// How long a command waits for a key that another request is using.
pub const KEY_LOCK_TIMEOUT: &str = "500ms";
/// How long a transaction waits for each row that it changes. It is then rolled back and run again, so that it holds
/// neither its other locks nor its connection for as long as others take.
pub const ROW_LOCK_TIMEOUT: &str = "2s";

/// What a transaction knows from its first statement.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    /// How often this database was set back.
    pub epoch: i32,
    /// The database's clock, to the microsecond.
    pub now: OffsetDateTime,
}

/// Sets the lock time-out of this transaction, and reads the restore epoch and the clock.
pub async fn begin(conn: &mut PgConnection, lock_timeout: &str) -> Result<Beginning, StoreError> {
    sqlx::query_as!(
        Beginning,
        r#"SELECT epoch, now() AS "now!"
           FROM command.restore_epoch, set_config('lock_timeout', $1, true)"#,
        lock_timeout
    )
    .fetch_one(conn)
    .await
    .map_err(StoreError::doing("begin a transaction"))
}

/// Changes the lock time-out of this transaction.
pub async fn set_lock_timeout(conn: &mut PgConnection, lock_timeout: &str) -> Result<(), StoreError> {
    sqlx::query_scalar!("SELECT set_config('lock_timeout', $1, true)", lock_timeout)
        .fetch_one(conn)
        .await
        .map_err(StoreError::doing("set the lock time-out"))?;
    Ok(())
}

/// Marks the place in this transaction to which [`undo`] goes back.
pub async fn mark(conn: &mut PgConnection) -> Result<(), StoreError> {
    conn.execute("SAVEPOINT before_command")
        .await
        .map_err(StoreError::doing("set a savepoint"))?;
    Ok(())
}

/// Undoes what this transaction has written since [`mark`], and lets go of what it has locked since.
pub async fn undo(conn: &mut PgConnection) -> Result<(), StoreError> {
    conn.execute("ROLLBACK TO SAVEPOINT before_command")
        .await
        .map_err(StoreError::doing("go back to a savepoint"))?;
    Ok(())
}
