//! The database as a service needs it: its schema's migrations, and a role that may do no more than it has to.

use std::time::Duration;

use depot_migrate::ServiceRole;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::{Check, Finding, NoAnswer, grants, migrations};
use crate::{database::Pool, problem::chain};

/// For both questions, with a connection that may have to be made.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks for migrations and rights.
#[derive(Debug, Clone)]
pub struct DatabaseCheck {
    pool: Pool,
    role: ServiceRole,
}

impl DatabaseCheck {
    /// Of the service with that role, by its own pool.
    #[must_use]
    pub fn new(pool: Pool, role: ServiceRole) -> Self {
        Self { pool, role }
    }

    async fn ask(&self) -> Result<Vec<Finding>, NoAnswer> {
        let asked = async {
            let mut conn = match self.pool.acquire().await {
                Ok(conn) => conn,
                Err(error) => return self.not_let_in(&error).map(|finding| vec![finding]),
            };
            let mut findings = migrations::look(&mut conn, self.role).await?;
            findings.extend(grants::look(&mut conn, self.role, None).await?);
            Ok(findings)
        };
        let late = || NoAnswer(format!("not within {} s", LIMIT.as_secs()));
        timeout(LIMIT, asked).await.unwrap_or_else(|_| Err(late()))
    }

    /// The server has answered, and knows no such role, password or database: `depot migrate` makes the role and sets its
    /// password.
    fn not_let_in(&self, error: &sqlx::Error) -> Result<Finding, NoAnswer> {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            Some("28000" | "28P01" | "3D000" | "42501") => Ok(Finding::pending(
                "database",
                format!("does not let this service in: {}", chain(error)),
                format!(
                    "compare {} with what is there, and run `depot migrate` with it, which makes the role and sets its \
                     password",
                    self.role.url_variable()
                ),
            )),
            _ => Err(NoAnswer(chain(error))),
        }
    }
}

impl Check for DatabaseCheck {
    fn subject(&self) -> &'static str {
        "the database"
    }

    fn look(&self) -> BoxFuture<'_, Result<Vec<Finding>, NoAnswer>> {
        Box::pin(self.ask())
    }
}
