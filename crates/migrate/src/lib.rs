//! The database of Depot, made and changed by an explicit step and never at a service's start.
//!
//! Each schema has a folder under `migrations/` and keeps its list of applied migrations in itself, so that it can
//! move to a database of its own. All of it runs as the owner of the database; the services' roles can neither
//! create nor alter a table, and the operators' can only read.

mod compatibility;
pub mod recovery;
mod roles;
mod schema;

pub use compatibility::{AppliedMigration, Difference};
pub use roles::{OperatorRole, Passwords, ServiceRole};
pub use schema::{MigrationState, Schema};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// Why the database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateFailure {
    #[error(
        "cannot connect to the database as its owner: check MIGRATE_DATABASE_URL, and that Postgres runs"
    )]
    Connect(#[source] sqlx::Error),
    #[error(
        "cannot create the roles, set their passwords or grant them what they need: the owner needs CREATEROLE"
    )]
    Roles(#[source] sqlx::Error),
    #[error(
        "migrations of schema `{schema}` failed: mend the cause and run it again, what was applied stays applied"
    )]
    Migrate {
        schema: &'static str,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    #[error("cannot read the applied migrations of schema `{schema}`")]
    Status {
        schema: &'static str,
        #[source]
        source: sqlx::Error,
    },
}

/// Creates roles and schemas where absent, applies what is pending, and sets the roles' passwords.
///
/// `owner` is the database's owner, with CREATEROLE. Running it again changes nothing.
pub async fn migrate(owner: &PgConnectOptions, passwords: &Passwords) -> Result<(), MigrateFailure> {
    let mut connection = connect(owner).await?;
    roles::create(&mut connection)
        .await
        .map_err(MigrateFailure::Roles)?;
    roles::set_passwords(&mut connection, passwords)
        .await
        .map_err(MigrateFailure::Roles)?;
    for schema in Schema::ALL {
        schema.apply(&mut connection).await?;
    }
    close(connection).await;
    Ok(())
}

/// Takes back the newest applied migration of each schema: for development, since data goes with the tables.
pub async fn migrate_down(owner: &PgConnectOptions) -> Result<(), MigrateFailure> {
    let mut connection = connect(owner).await?;
    for schema in Schema::ALL {
        schema.revert_newest(&mut connection).await?;
    }
    close(connection).await;
    Ok(())
}

/// Every migration of every schema, and whether it is applied.
pub async fn status(owner: &PgConnectOptions) -> Result<Vec<MigrationState>, MigrateFailure> {
    let mut connection = connect(owner).await?;
    let mut states = Vec::new();
    for schema in Schema::ALL {
        states.extend(schema.states(&mut connection).await?);
    }
    close(connection).await;
    Ok(states)
}

async fn connect(owner: &PgConnectOptions) -> Result<PgConnection, MigrateFailure> {
    let options = owner.clone().application_name("depot-migrate");
    PgConnection::connect_with(&options)
        .await
        .map_err(MigrateFailure::Connect)
}

/// The work is done; a connection that does not close cleanly is only worth a line.
async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the connection did not close cleanly");
    }
}

/// A number that changes with any change to migrations or roles: names the template database of tests.
pub fn fingerprint() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    roles::ROLES_SQL.hash(&mut hasher);
    for schema in Schema::ALL {
        schema.hash_migrations(&mut hasher);
    }
    hasher.finish()
}

/// How many migrations there are, in all schemas.
pub fn count() -> usize {
    Schema::ALL.iter().map(Schema::count).sum()
}
