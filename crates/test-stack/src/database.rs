use std::{fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result};
use depot_migrate::{OperatorRole, Passwords, ServiceRole};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use url::Url;

use crate::{settings, settings::workspace_root, unique_name};

/// A freshly migrated database, dropped with the value.
///
/// It is a copy of a template that is migrated once for each set of migrations.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
}

impl TestDatabase {
    pub async fn create() -> Result<Self> {
        let mut owner = PgConnection::connect(&owner_url("postgres")?)
            .await
            .context("connect as the owner")?;
        let template = template(&mut owner).await?;
        let name = format!("depot_test_{}", unique_name());
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        // Copying needs a template that nobody is connected to, so tests copy one after the other.
        sqlx::query("SELECT pg_advisory_lock(hashtext('depot test template'))")
            .execute(&mut owner)
            .await?;
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut owner)
            .await
            .context("copy the template")?;
        let roles = ServiceRole::ALL.map(|role| role.name()).join(", ");
        let grant = format!(
            "GRANT CONNECT ON DATABASE {name} TO {roles}, {}",
            OperatorRole::NAME
        );
        sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut owner).await?;
        owner.close().await?;
        Ok(Self { name })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// For looking into every schema, and for planting what a service could not write.
    pub fn owner_url(&self) -> String {
        owner_url(&self.name).expect("it was used to create this database")
    }

    /// What the service of that role is given as `DATABASE_URL`.
    pub fn url(&self, role: ServiceRole) -> String {
        with_database(settings().get(role.url_variable()), &self.name).expect("a URL in the settings")
    }

    /// What operators are given as `OPERATOR_DATABASE_URL`.
    pub fn operator_url(&self) -> String {
        with_database(settings().get(OperatorRole::URL_VARIABLE), &self.name).expect("a URL in the settings")
    }

    /// A pool of the owner, all schemas writable.
    pub async fn owner_pool(&self) -> PgPool {
        pool(&self.owner_url(), "command", &[]).await
    }

    /// A pool of a superuser, for planting what the owner may not give: the owner itself where it is one, as in a container of
    /// Postgres, and otherwise the one that deploy/native keeps for itself.
    pub async fn superuser_pool(&self) -> PgPool {
        let owner = self.owner_pool().await;
        let is_superuser: bool =
            sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
                .fetch_one(&owner)
                .await
                .expect("every role is in the list");
        if is_superuser {
            return owner;
        }
        let file = stack_folder().join("postgres.password");
        let password = fs::read_to_string(&file).expect("deploy/native/postgres.sh keeps it there");
        let mut url = Url::parse(&self.owner_url()).expect("it was used to create this database");
        let entered = url
            .set_username("postgres")
            .and(url.set_password(Some(password.trim())));
        entered.expect("a URL with a host");
        pool(url.as_str(), "command", &[]).await
    }

    /// A pool as the service of that role has it: its schema in the search path, and the server's time-outs, without
    /// which work that was cut off in mid-statement could hold its locks for ever.
    pub async fn pool(&self, role: ServiceRole) -> PgPool {
        let schema = match role {
            ServiceRole::Command => "command",
            ServiceRole::Uploader => "uploader",
            ServiceRole::Projector | ServiceRole::Query => "read",
        };
        let timeouts = [
            ("statement_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "10s"),
        ];
        pool(&self.url(role), schema, &timeouts).await
    }
}

async fn pool(url: &str, schema: &str, timeouts: &[(&str, &str)]) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("a URL in the settings");
    PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(
            options
                .options([("search_path", schema)])
                .options(timeouts.iter().copied()),
        )
        .await
        .expect("the database was just created")
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Ok(url) = owner_url("postgres") else { return };
        let drop_it = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A drop cannot await; the thread has a small runtime of its own. What is left behind only takes space.
        let dropped = thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut owner = PgConnection::connect(&url).await?;
                sqlx::raw_sql(AssertSqlSafe(drop_it)).execute(&mut owner).await?;
                owner.close().await?;
                Ok(())
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("test database {} is left behind: {error:#}", self.name);
        }
    }
}

/// The template of the migrations as they are now, made if it is not there yet.
async fn template(owner: &mut PgConnection) -> Result<String> {
    let fingerprint = depot_migrate::fingerprint();
    let template = format!("depot_template_{fingerprint:016x}");
    sqlx::query("SELECT pg_advisory_lock(hashtext('depot test template'))")
        .execute(&mut *owner)
        .await?;
    let made = make_template(owner, &template).await;
    sqlx::query("SELECT pg_advisory_unlock(hashtext('depot test template'))")
        .execute(owner)
        .await?;
    made.map(|()| template)
}

async fn make_template(owner: &mut PgConnection, template: &str) -> Result<()> {
    let ready: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)")
            .bind(template)
            .fetch_one(&mut *owner)
            .await?;
    if ready {
        return Ok(());
    }
    for statement in [
        format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)"),
        format!("CREATE DATABASE {template}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *owner)
            .await?;
    }
    let passwords = Passwords::from_urls(|name| Some(settings().get(name).to_owned()));
    depot_migrate::migrate(&owner_url(template)?.parse()?, &passwords)
        .await
        .context("migrate the template")?;
    // Marked only when it is whole.
    let mark = format!("ALTER DATABASE {template} WITH IS_TEMPLATE true");
    sqlx::raw_sql(AssertSqlSafe(mark)).execute(owner).await?;
    Ok(())
}

/// Where deploy/native keeps what its instances of the services need.
fn stack_folder() -> PathBuf {
    std::env::var_os("STACK_DIR").map_or_else(|| workspace_root().join(".stack"), PathBuf::from)
}

fn owner_url(database: &str) -> Result<String> {
    with_database(settings().get("MIGRATE_DATABASE_URL"), database)
}

fn with_database(url: &str, database: &str) -> Result<String> {
    let mut url = Url::parse(url).context("a database URL in the settings")?;
    url.set_path(database);
    Ok(url.into())
}
