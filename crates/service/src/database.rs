//! A Postgres pool with time-outs at every level, and what its errors mean.

mod acquire;
mod fault;
mod pool;

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;

pub use acquire::{ACQUIRE_SECONDS, ACQUIRE_TIMEOUTS_TOTAL};
pub(crate) use acquire::{MEASURED_EVERY, measure};
pub use fault::{CONFLICTS_TOTAL, Conflict, count_fault, is_away, is_caused_by_values};
pub use pool::Pool;

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

/// When the statements of a pool are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// As Postgres thinks best, which is anew for each execution of a statement whose plan it takes for dearer without its
    /// parameters.
    Usual,
    /// Anew for each execution: for statements with optional filters, whose one plan for all would scan the table.
    Anew,
    /// Once for each connection, whatever the parameters: for statements over arrays, which probe an index for each key
    /// (decision 0095) and cost as much to plan as to execute. Tables are not read whole: a plan that is made while one is small
    /// would do that for each key, and is kept when it has grown.
    Kept,
    /// As kept, for pages in the order of an index: nothing is sorted, and no index is read other than in its order. A plan that
    /// is made while a table is small would read it, or what one owner has of it, and sort that.
    Ordered,
}

impl Plans {
    /// The settings of a connection, as the start of a session takes them.
    #[must_use]
    pub fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Usual => &[],
            Self::Anew => &[("plan_cache_mode", "force_custom_plan")],
            Self::Kept => &[
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
            ],
            Self::Ordered => &[
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
                ("enable_sort", "off"),
            ],
        }
    }
}

/// Makes a pool. No connection is opened yet: the process starts while the database is away, and readiness tells.
///
/// The server ends statements and idle transactions of these connections after the configured times, and notices a
/// client that is gone within half a minute. `application_name` is what `pg_stat_activity` shows.
///
/// # Errors
/// [`DatabaseError::Url`].
pub fn connect(config: &DatabaseConfig, application_name: &str, plans: Plans) -> Result<Pool, DatabaseError> {
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
            // Compiling a statement takes longer than any of ours does; what is discouraged above counts as dear enough for it.
            ("jit", "off".to_owned()),
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ])
        .options(plans.options().iter().copied());
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(Duration::from_secs(30 * 60))
        .connect_lazy_with(options);
    Ok(Pool::from(pool))
}

/// Says what the metrics of this module mean, and begins those that alarms stand on.
pub(crate) fn declare() {
    fault::declare();
    acquire::declare();
}

/// A readiness check: one statement on one connection.
///
/// # Errors
/// What to show as the reason for not being ready.
pub async fn check(pool: Pool) -> Result<(), String> {
    match tokio::time::timeout(CHECK_TIMEOUT, answers(&pool)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("the database does not answer: {error}")),
        Err(_) => Err(format!(
            "the database does not answer within {} s",
            CHECK_TIMEOUT.as_secs()
        )),
    }
}

async fn answers(pool: &Pool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query("SELECT 1").execute(&mut *connection).await?;
    Ok(())
}
