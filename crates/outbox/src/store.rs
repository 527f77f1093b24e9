//! All SQL of the relay, one function a statement. Tables are named without a schema: the connection's search_path
//! says which service's outbox it is.
//!
//! Every statement that a relay writes to a shard with names the holder and the epoch; what a relay writes after it
//! lost the shard matches no row.

mod leases;
mod parking;
mod partitions;
mod rows;

use std::time::Duration;

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

pub(crate) use rows::{Page, PageLimit, ReadRequest, Row};

use crate::{error::RelayError, relay::Position};

/// A shard as its holder names it in each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenure {
    pub shard: i16,
    pub epoch: i64,
}

/// Where a shard stands, as it is to be written.
pub(crate) struct Progress {
    pub tenure: Tenure,
    pub position: Position,
}

/// The relay's own connection: requests that use up the service's pool do not stop the heartbeat. Any fault closes
/// it, the next statement makes a new one.
pub(crate) struct Store {
    relay_id: Uuid,
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    limit: Duration,
    connect_limit: Duration,
}

/// Nothing is held while there is no connection, so one may take longer than a statement: the driver proves its password
/// in hundreds of turns of the runtime, and each waits there for whatever else a busy process does.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

impl Store {
    pub(crate) fn new(options: &PgConnectOptions, relay_id: Uuid, limit: Duration) -> Self {
        let options = options.clone().application_name("depot-outbox-relay").options([
            // The poll's plan is the same whatever its arguments; compiling it would cost more than it saves.
            ("jit", "off"),
            ("plan_cache_mode", "force_generic_plan"),
            // Statistics lag behind a table that grows and is dropped in parts; the indexes are the plan.
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_sort", "off"),
            ("work_mem", "32MB"),
            // What a crash of the server takes of the relay's own writes is only published again.
            ("synchronous_commit", "off"),
            ("statement_timeout", "15s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        Self {
            relay_id,
            options,
            connection: None,
            limit,
            connect_limit: CONNECT_LIMIT,
        }
    }

    /// From here on a connection may take no longer than a statement: the process is ending.
    pub(crate) fn hurry(&mut self) {
        self.connect_limit = self.limit;
    }

    /// The connection, taken out: put back by [`Store::keep`] after success, closed by being dropped otherwise.
    async fn connection(&mut self) -> Result<PgConnection, RelayError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                let limit = self.connect_limit;
                timed("connect", limit, PgConnection::connect_with(&self.options)).await
            }
        }
    }

    fn keep(&mut self, connection: PgConnection) {
        self.connection = Some(connection);
    }

    /// The cluster that the outbox's transaction ids belong to, and the one that this is.
    pub(crate) async fn clusters(&mut self) -> Result<(i64, i64), RelayError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query!(
            r#"SELECT o.system_identifier AS stored, c.system_identifier AS "actual!"
               FROM outbox_origin o, pg_control_system() c"#
        );
        let row = timed(
            "say which cluster it is",
            self.limit,
            query.fetch_one(&mut connection),
        )
        .await?;
        self.keep(connection);
        Ok((row.stored, row.actual))
    }
}

/// `query`'s answer, unless it takes longer than `limit`.
async fn timed<T>(
    what: &'static str,
    limit: Duration,
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, RelayError> {
    match tokio::time::timeout(limit, query).await {
        Ok(answer) => answer.map_err(|source| RelayError::Store { what, source }),
        Err(_) => Err(RelayError::Timeout { what, limit }),
    }
}
