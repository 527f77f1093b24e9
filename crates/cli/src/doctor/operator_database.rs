//! Postgres, entered by the role that reads everything and writes nothing.

use std::time::Duration;

use depot_migrate::ServiceRole;
use depot_service::{config::DatabaseTls, problem::chain};
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_secs(10);
const STATEMENT_TIMEOUT: &str = "15s";

/// How the tool enters the database.
pub struct OperatorDatabase {
    /// None where the URL was refused already.
    options: Option<PgConnectOptions>,
    /// The role by which each service enters.
    pub service_roles: [(ServiceRole, String); 4],
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    #[error("the database does not answer: {0}")]
    Away(String),
    #[error("the database does not let this role in: {0}")]
    Refused(String),
}

impl OperatorDatabase {
    pub fn new(url: &str, tls: &DatabaseTls, service_roles: [(ServiceRole, String); 4]) -> Self {
        let options = url.parse::<PgConnectOptions>().ok().map(|options| {
            tls.apply(options)
                .application_name("depot-doctor")
                .options([("statement_timeout", STATEMENT_TIMEOUT)])
        });
        Self {
            options,
            service_roles,
        }
    }

    /// A connection that looks names up in `schema`.
    ///
    /// # Errors
    /// [`NoConnection`].
    pub async fn connect(&self, schema: &str) -> Result<PgConnection, NoConnection> {
        let options = self.options(schema)?;
        match timeout(CONNECT, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => {
                let code = error.as_database_error().and_then(|error| error.code());
                let said = chain(&error);
                Err(match code.as_deref() {
                    // No such role, another password, no such database, or no right to connect to it.
                    Some("28000" | "28P01" | "3D000" | "42501") => NoConnection::Refused(said),
                    _ => NoConnection::Away(said),
                })
            }
            Err(_) => Err(NoConnection::Away(format!("not within {} s", CONNECT.as_secs()))),
        }
    }

    /// The same for what wants a pool; of one connection, which is made when it is used.
    ///
    /// # Errors
    /// [`NoConnection`].
    pub fn pool(&self, schema: &str) -> Result<PgPool, NoConnection> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT);
        Ok(pool.connect_lazy_with(self.options(schema)?))
    }

    fn options(&self, schema: &str) -> Result<PgConnectOptions, NoConnection> {
        let options = self.options.clone();
        let options = options.map(|options| options.options([("search_path", schema)]));
        options.ok_or_else(|| NoConnection::Away("its URL cannot be used".to_owned()))
    }
}

/// What is said of a statement that failed.
pub fn unanswered(error: &sqlx::Error) -> String {
    format!("the database gives no answer: {}", chain(error))
}
