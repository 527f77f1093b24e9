//! What the owner of the database does after a disaster, while the services are stopped: after the log was lost, and after the
//! database was set back to an earlier point. Each is one transaction, which also asks for the state to be told to the log once
//! more; command-api does that when it is started.

mod log_lost;
mod set_back;

pub use log_lost::{LogPlace, NewLog, StoredPlace, begin_log_anew, stored_places};
pub use set_back::{Raised, raise_epoch};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::ServiceRole;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryFailure {
    #[error(
        "cannot connect to the database as its owner: check MIGRATE_DATABASE_URL, and that Postgres runs"
    )]
    Connect(#[source] sqlx::Error),
    #[error("could not {doing}; nothing was changed")]
    Database {
        doing: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error(
        "{} still connected: stop command-api, projector and uploader first. What they remember of before would be written over \
         this",
        .0.join(", ")
    )]
    ServicesRun(Vec<String>),
}

impl RecoveryFailure {
    fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}

async fn connect(owner: &PgConnectOptions) -> Result<PgConnection, RecoveryFailure> {
    let options = owner.clone().application_name("depot-recovery");
    PgConnection::connect_with(&options)
        .await
        .map_err(RecoveryFailure::Connect)
}

/// Refuses while a service that writes is connected, by its role.
async fn require_services_stopped(connection: &mut PgConnection) -> Result<(), RecoveryFailure> {
    let writers = [
        ServiceRole::Command,
        ServiceRole::Projector,
        ServiceRole::Uploader,
    ];
    let roles: Vec<String> = writers.iter().map(|role| role.name().to_owned()).collect();
    let connected = sqlx::query_scalar!(
        r#"SELECT DISTINCT usename::text AS "role!" FROM pg_stat_activity
           WHERE datname = current_database() AND usename::text = ANY($1) ORDER BY 1"#,
        &roles
    )
    .fetch_all(connection)
    .await
    .map_err(RecoveryFailure::doing("look who is connected"))?;
    if connected.is_empty() {
        return Ok(());
    }
    Err(RecoveryFailure::ServicesRun(connected))
}

/// Has command-api tell the state to the log once more, from the beginning, and notes in the audit what was done.
async fn ask_for_republish(
    transaction: &mut PgConnection,
    reason: &str,
    action: &str,
    detail: &str,
) -> Result<(), RecoveryFailure> {
    sqlx::query!(
        "UPDATE command.republish
         SET run_id = gen_random_uuid(), reason = $1, requested_by = current_user, requested_at = now(), stage = 'items',
             after_id = '00000000-0000-0000-0000-000000000000', items = 0, uploads = 0, lost = 0, finished_at = NULL,
             holder = NULL, expires_at = NULL",
        reason
    )
    .execute(&mut *transaction)
    .await
    .map_err(RecoveryFailure::doing("ask for the state to be told once more"))?;
    sqlx::query!(
        "INSERT INTO command.audit (actor, action, subject, detail)
         VALUES (current_user, $1, 'everything', jsonb_build_object('detail', $2::text))",
        action,
        detail
    )
    .execute(transaction)
    .await
    .map_err(RecoveryFailure::doing("write the audit"))?;
    Ok(())
}

/// Whether a table is in this database: each schema may be in one of its own.
async fn is_here(connection: &mut PgConnection, table: &str) -> Result<bool, RecoveryFailure> {
    sqlx::query_scalar!(r#"SELECT to_regclass($1) IS NOT NULL AS "is_here!""#, table)
        .fetch_one(connection)
        .await
        .map_err(RecoveryFailure::doing("look which schemas there are"))
}

/// Nothing of the uploader's waits in its retry topics any more: what waited is asked for again by its saga, while a row whose
/// message never comes would keep what follows of its key waiting for ever.
async fn unpark_uploads(transaction: &mut PgConnection) -> Result<(), RecoveryFailure> {
    sqlx::query!("DELETE FROM uploader.parked_keys")
        .execute(transaction)
        .await
        .map_err(RecoveryFailure::doing("let go of what waits in retry topics"))?;
    Ok(())
}
