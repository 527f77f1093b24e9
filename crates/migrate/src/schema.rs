use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
};

use sqlx::{
    AssertSqlSafe, PgConnection, Row,
    migrate::{Migration, Migrator},
};

use crate::{
    MigrateFailure, ServiceRole,
    compatibility::{self, AppliedMigration, Difference},
    roles,
};

/// A schema with its folder of migrations.
#[derive(Debug)]
pub struct Schema {
    pub name: &'static str,
    migrations: &'static Migrator,
    /// The services whose schema it is: they compare its migrations with those that they know when they start.
    services: &'static [ServiceRole],
}

static COMMAND: Migrator = sqlx::migrate!("../../migrations/command");
static UPLOADER: Migrator = sqlx::migrate!("../../migrations/uploader");
static READ: Migrator = sqlx::migrate!("../../migrations/read");

/// One migration of one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    pub schema: &'static str,
    pub version: i64,
    pub description: String,
    pub applied: bool,
}

impl Schema {
    pub const ALL: [Schema; 3] = [
        Schema {
            name: "command",
            migrations: &COMMAND,
            services: &[ServiceRole::Command],
        },
        Schema {
            name: "uploader",
            migrations: &UPLOADER,
            services: &[ServiceRole::Uploader],
        },
        Schema {
            name: "read",
            migrations: &READ,
            services: &[ServiceRole::Projector, ServiceRole::Query],
        },
    ];

    /// The schema of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|schema| schema.name == name)
    }

    /// What keeps this program from working with a schema to which these migrations were applied.
    pub fn differences(&self, applied: &[AppliedMigration]) -> Vec<Difference> {
        let known: Vec<&Migration> = self.up().collect();
        compatibility::differences(&known, applied)
    }

    fn table(&self) -> String {
        format!("{}._sqlx_migrations", self.name)
    }

    pub(crate) fn up(&self) -> impl Iterator<Item = &Migration> {
        self.migrations
            .iter()
            .filter(|migration| !migration.migration_type.is_down_migration())
    }

    pub(crate) fn count(&self) -> usize {
        self.up().count()
    }

    pub(crate) fn hash_migrations(&self, hasher: &mut impl Hasher) {
        for migration in self.migrations.iter() {
            (migration.version, &migration.checksum).hash(hasher);
        }
        self.readable_by().hash(hasher);
    }

    /// The statements by which the services may read the list of applied migrations. It is older than the default
    /// privileges of the schema, which its first migration sets.
    fn readable_by(&self) -> Vec<(ServiceRole, String)> {
        let grant = |role: &ServiceRole| {
            let statement = format!("GRANT SELECT ON {} TO {}", self.table(), role.name());
            (*role, statement)
        };
        self.services.iter().map(grant).collect()
    }

    /// The embedded migrations, told to keep their list in the schema itself.
    fn migrator(&self) -> Migrator {
        let mut migrator = Migrator::with_migrations(self.migrations.iter().cloned().collect());
        migrator.dangerous_set_table_name(self.table());
        migrator.create_schema(self.name);
        migrator
    }

    pub(crate) async fn apply(&self, connection: &mut PgConnection) -> Result<(), MigrateFailure> {
        self.migrator()
            .run_direct(None, connection, false)
            .await
            .map_err(|source| self.failure(source))?;
        for (role, grant) in self.readable_by() {
            roles::grant_select(connection, role, &self.table(), grant)
                .await
                .map_err(MigrateFailure::Roles)?;
        }
        Ok(())
    }

    pub(crate) async fn revert_newest(&self, connection: &mut PgConnection) -> Result<(), MigrateFailure> {
        let applied = self.applied(connection).await?;
        let mut versions: Vec<i64> = applied.into_iter().collect();
        versions.sort_unstable();
        if versions.pop().is_none() {
            return Ok(());
        }
        let target = versions.pop().unwrap_or(0);
        self.migrator()
            .undo(connection, target)
            .await
            .map_err(|source| self.failure(source))
    }

    pub(crate) async fn states(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<MigrationState>, MigrateFailure> {
        let applied = self.applied(connection).await?;
        let state = |migration: &Migration| MigrationState {
            schema: self.name,
            version: migration.version,
            description: migration.description.to_string(),
            applied: applied.contains(&migration.version),
        };
        Ok(self.up().map(state).collect())
    }

    async fn applied(&self, connection: &mut PgConnection) -> Result<HashSet<i64>, MigrateFailure> {
        let failure = |source| MigrateFailure::Status {
            schema: self.name,
            source,
        };
        let table = self.table();
        let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&table)
            .fetch_one(&mut *connection)
            .await
            .map_err(failure)?;
        if !exists {
            return Ok(HashSet::new());
        }
        // The table's name is one of three constants.
        let select = AssertSqlSafe(format!("SELECT version FROM {table} WHERE success"));
        let rows = sqlx::query(select).fetch_all(connection).await.map_err(failure)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn failure(&self, source: sqlx::migrate::MigrateError) -> MigrateFailure {
        MigrateFailure::Migrate {
            schema: self.name,
            source,
        }
    }
}
