//! Postgres, as the operators' role: every session only reads, and no statement takes longer than its limit.

use std::time::Duration;

use depot_service::{config::DatabaseTls, problem::chain};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use super::hop::{NotSeen, Seen};
use crate::settings;

/// For connecting, and for a statement's answer: longer than the server takes for one.
const LIMIT: Duration = Duration::from_secs(8);
/// After this the server ends a statement.
const STATEMENT_MS: &str = "5000";

/// A connection whose unqualified names are those of one schema, or why there is none.
pub struct Database(Seen<PgConnection>);

impl Database {
    pub async fn open(schema: &str) -> Self {
        Self(connect(schema).await)
    }

    /// For another schema of the same server, which is not asked once more where it did not answer.
    pub async fn beside(&self, schema: &str) -> Self {
        match &self.0 {
            Ok(_) => Self::open(schema).await,
            Err(why) => Self(Err(why.clone())),
        }
    }

    /// Why nothing can be asked of it.
    pub fn absence(&self) -> Option<&NotSeen> {
        self.0.as_ref().err()
    }

    /// Asks by `query`; `doing` says what it is for, such as `read the item's state`.
    pub async fn ask<T>(
        &mut self,
        doing: &str,
        query: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Seen<T> {
        let conn = self.0.as_mut().map_err(|why| why.clone())?;
        match timeout(LIMIT, query(conn)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(NotSeen(format!("Postgres did not {doing}: {}", chain(&error)))),
            Err(_) => Err(late(doing)),
        }
    }

    /// From now on the server ends a statement after so long; none: after what it was at first.
    pub async fn limit(&mut self, statement: Option<Duration>) -> Seen<()> {
        let millis = statement.map_or_else(|| STATEMENT_MS.to_owned(), |limit| limit.as_millis().to_string());
        self.ask("set a limit", async |conn| {
            sqlx::query("SELECT set_config('statement_timeout', $1, false)")
                .bind(millis)
                .execute(conn)
                .await
                .map(drop)
        })
        .await
    }
}

async fn connect(schema: &str) -> Seen<PgConnection> {
    let (url, tls) = settings::read(|reader| {
        (
            reader.secret("OPERATOR_DATABASE_URL", 1),
            DatabaseTls::read(reader),
        )
    })
    .map_err(|errors| NotSeen(format!("Postgres: {errors}")))?;
    let options: PgConnectOptions = url
        .expose_secret()
        .parse()
        .map_err(|_| NotSeen("Postgres: OPERATOR_DATABASE_URL is no Postgres URL".to_owned()))?;
    let options = tls.apply(options).application_name("depot-trace").options([
        ("search_path", schema),
        ("statement_timeout", STATEMENT_MS),
        ("default_transaction_read_only", "on"),
    ]);
    match timeout(LIMIT, PgConnection::connect_with(&options)).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => Err(NotSeen(format!(
            "Postgres does not let this tool in: {}",
            chain(&error)
        ))),
        Err(_) => Err(late("let this tool in")),
    }
}

fn late(doing: &str) -> NotSeen {
    NotSeen(format!("Postgres did not {doing} within {} s", LIMIT.as_secs()))
}
