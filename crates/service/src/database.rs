//! A Postgres pool with time-outs at every level, and what its errors mean.

mod fault;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub(crate) use fault::declare;
pub use fault::{CONFLICTS_TOTAL, Conflict, count_conflict, is_away, is_caused_by_values};

use crate::config::DatabaseConfig;

/// How long a readiness check waits for the database.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL cannot be used.
    #[error("DATABASE_URL is not a Postgres URL")]
    Url(#[source] sqlx::Error),
}

/// Makes a pool. No connection is opened yet: the process starts while the database is away, and readiness tells.
///
/// The server ends statements and idle transactions of these connections after the configured times, and notices a
/// client that is gone within half a minute. `application_name` is what `pg_stat_activity` shows.
///
/// # Errors
/// [`DatabaseError::Url`].
pub fn connect(config: &DatabaseConfig, application_name: &str) -> Result<PgPool, DatabaseError> {
    let options = config
        .connect_options()
        .map_err(DatabaseError::Url)?
        .application_name(application_name)
        .options([
            ("search_path", config.schema.clone()),
            (
                "statement_timeout",
                config.statement_timeout.as_millis().to_string(),
            ),
            (
                "idle_in_transaction_session_timeout",
                config.idle_in_transaction_timeout.as_millis().to_string(),
            ),
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]);
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(Duration::from_secs(30 * 60))
        .connect_lazy_with(options))
}

/// A readiness check: one statement on one connection.
///
/// # Errors
/// What to show as the reason for not being ready.
pub async fn check(pool: PgPool) -> Result<(), String> {
    match tokio::time::timeout(CHECK_TIMEOUT, sqlx::query("SELECT 1").execute(&pool)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("the database does not answer: {error}")),
        Err(_) => Err(format!(
            "the database does not answer within {} s",
            CHECK_TIMEOUT.as_secs()
        )),
    }
}
