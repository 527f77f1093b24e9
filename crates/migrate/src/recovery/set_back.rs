use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{RecoveryFailure, ask_for_republish, connect, is_here, require_services_stopped, unpark_uploads};

/// What was done after the database was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// Part of every version from here on.
    pub epoch: i32,
    /// The database is in another cluster than it was: the outboxes publish once more what they hold.
    pub is_another_cluster: bool,
}

/// Raises the restore epoch of every schema that is here, has the cache read nothing of before, and asks for the state to be told
/// once more.
///
/// # Errors
/// [`RecoveryFailure`]; nothing was changed. `ServicesRun` unless `force` is given.
pub async fn raise_epoch(owner: &PgConnectOptions, force: bool) -> Result<Raised, RecoveryFailure> {
    let mut connection = connect(owner).await?;
    if !force {
        require_services_stopped(&mut connection).await?;
    }
    let doing = RecoveryFailure::doing;
    let mut transaction = connection.begin().await.map_err(doing("begin a transaction"))?;
    let epoch = raise_command(&mut transaction).await?;
    let is_another_cluster = rebase_command(&mut transaction).await?;
    if is_here(&mut transaction, "uploader.restore_epoch").await? {
        raise_uploader(&mut transaction, epoch).await?;
        rebase_uploader(&mut transaction).await?;
        unpark_uploads(&mut transaction).await?;
    }
    if is_here(&mut transaction, "read.cache_generation").await? {
        leave_cache(&mut transaction).await?;
    }
    let detail = format!("epoch {epoch}");
    ask_for_republish(&mut transaction, "restored", "restore.raise", &detail).await?;
    transaction.commit().await.map_err(doing("commit"))?;
    Ok(Raised {
        epoch,
        is_another_cluster,
    })
}

/// Minutes since the beginning of 2026, by the database's clock. A count of restores would be used again by whoever restores twice
/// from a backup of before the first time, and with it the versions that were given out in between.
async fn raise_command(transaction: &mut PgConnection) -> Result<i32, RecoveryFailure> {
    sqlx::query_scalar!(
        "UPDATE command.restore_epoch
         SET epoch = greatest(epoch + 1,
                              floor(extract(epoch FROM now() - timestamptz '2026-01-01 00:00:00+00') / 60)::integer)
         RETURNING epoch"
    )
    .fetch_one(transaction)
    .await
    .map_err(RecoveryFailure::doing("raise the restore epoch of command-api"))
}

async fn raise_uploader(transaction: &mut PgConnection, epoch: i32) -> Result<(), RecoveryFailure> {
    sqlx::query!(
        "UPDATE uploader.restore_epoch SET epoch = greatest(epoch + 1, $1)",
        epoch
    )
    .execute(transaction)
    .await
    .map_err(RecoveryFailure::doing("raise the restore epoch of the uploader"))?;
    Ok(())
}

/// Ids of transactions mean nothing in another cluster.
async fn rebase_command(transaction: &mut PgConnection) -> Result<bool, RecoveryFailure> {
    let is_another = sqlx::query_scalar!(
        r#"SELECT o.system_identifier <> c.system_identifier AS "is_another!"
           FROM command.outbox_origin o, pg_control_system() c"#
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(RecoveryFailure::doing("look which cluster this is"))?;
    if is_another {
        sqlx::query!(r#"SELECT 1 AS "done!" FROM command.outbox_rebase()"#)
            .fetch_one(transaction)
            .await
            .map_err(RecoveryFailure::doing("rewind the outbox of command-api"))?;
    }
    Ok(is_another)
}

async fn rebase_uploader(transaction: &mut PgConnection) -> Result<(), RecoveryFailure> {
    let is_another = sqlx::query_scalar!(
        r#"SELECT o.system_identifier <> c.system_identifier AS "is_another!"
           FROM uploader.outbox_origin o, pg_control_system() c"#
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(RecoveryFailure::doing("look which cluster this is"))?;
    if is_another {
        sqlx::query!(r#"SELECT 1 AS "done!" FROM uploader.outbox_rebase()"#)
            .fetch_one(transaction)
            .await
            .map_err(RecoveryFailure::doing("rewind the outbox of the uploader"))?;
    }
    Ok(())
}

/// The generation was set back too: those that Redis has entries of were given out already, and are not to be again.
async fn leave_cache(transaction: &mut PgConnection) -> Result<(), RecoveryFailure> {
    sqlx::query!("UPDATE read.cache_generation SET generation = generation + 1000000, redis_run_id = NULL")
        .execute(transaction)
        .await
        .map_err(RecoveryFailure::doing("leave what the cache has behind"))?;
    Ok(())
}
