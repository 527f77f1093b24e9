//! `DATABASE_URL`, `DATABASE_MAX_CONNECTIONS`, `DATABASE_ACQUIRE_TIMEOUT_MS`, `DATABASE_STATEMENT_TIMEOUT_MS`,
//! `DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS`.

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::ConfigReader;

/// One pool of Postgres connections.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// The schema in which unqualified names are looked up.
    pub schema: String,
    /// The most connections that the pool opens.
    pub max_connections: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// After this the server ends a statement.
    pub statement_timeout: Duration,
    /// After this the server ends a connection that holds a transaction open and does nothing.
    pub idle_in_transaction_timeout: Duration,
}

impl DatabaseConfig {
    /// Reads the group for a service that owns `schema`.
    pub fn read(reader: &mut ConfigReader, schema: &str) -> Self {
        const EXAMPLE: &str = "postgres://depot_command:password@localhost:5432/depot";
        let url = reader.required_text("DATABASE_URL", EXAMPLE);
        let scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let usable = scheme && PgConnectOptions::from_str(&url).is_ok();
        if !url.is_empty() && !usable {
            reader.fault(
                "DATABASE_URL",
                "is not a Postgres URL",
                format!("set a URL such as {EXAMPLE}"),
            );
        }
        Self {
            url: url.into(),
            schema: schema.to_owned(),
            max_connections: reader.number("DATABASE_MAX_CONNECTIONS", 10, 1..=1_000),
            acquire_timeout: reader.millis("DATABASE_ACQUIRE_TIMEOUT_MS", 5_000, 10..=60_000),
            statement_timeout: reader.millis("DATABASE_STATEMENT_TIMEOUT_MS", 10_000, 10..=600_000),
            idle_in_transaction_timeout: reader.millis(
                "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS",
                15_000,
                10..=600_000,
            ),
        }
    }

    /// The same pool settings for another URL: for tests.
    #[must_use]
    pub fn for_url(url: &str, schema: &str) -> Self {
        Self {
            url: url.into(),
            schema: schema.to_owned(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(15),
        }
    }

    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        PgConnectOptions::from_str(self.url.expose_secret())
    }
}
