use anyhow::{Context as _, Result};
use depot_migrate::Passwords;
use depot_test_stack::{ServiceRole, free_port, settings, unique_name};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::Server;

/// The script that backs it up.
const BACKUP: &str = "postgres-backup.sh";

/// A migrated Postgres that is backed up, once, and set back.
pub struct OwnPostgres {
    server: Server,
    port: u16,
    owner: String,
}

impl OwnPostgres {
    pub async fn start() -> Result<Self> {
        let port = free_port()?;
        let owner = format!("postgres://depot_owner:{}@127.0.0.1:{port}/depot", unique_name());
        let environment = vec![
            ("STACK_POSTGRES_PORT", port.to_string()),
            ("MIGRATE_DATABASE_URL", owner.clone()),
        ];
        let server = Server::start("postgres.sh", environment).await?;
        let passwords = Passwords::from_urls(|name| Some(settings().get(name).to_owned()));
        depot_migrate::migrate(&owner.parse()?, &passwords).await?;
        Ok(Self { server, port, owner })
    }

    /// What the services and the tool are given.
    pub fn urls(&self) -> Vec<(&'static str, String)> {
        let of_role = |role: ServiceRole| {
            let url = settings().get(role.url_variable());
            let (credentials, _) = url.rsplit_once('@').expect("a URL with a user");
            let url = format!("{credentials}@127.0.0.1:{}/depot", self.port);
            (role.url_variable(), url)
        };
        let mut urls: Vec<_> = ServiceRole::ALL.into_iter().map(of_role).collect();
        urls.push(("MIGRATE_DATABASE_URL", self.owner.clone()));
        urls
    }

    /// A pool of the owner, all schemas writable. It outlives a restart of the server.
    pub async fn owner_pool(&self) -> Result<PgPool> {
        let options: PgConnectOptions = self.owner.parse()?;
        let pool = PgPoolOptions::new().max_connections(4);
        pool.connect_with(options.options([("search_path", "command")]))
            .await
            .context("connect as the owner")
    }

    /// A base backup, while it runs.
    pub async fn back_up(&self) -> Result<()> {
        self.server.run_other(BACKUP, &["take"]).await
    }

    /// Stops it, and starts it as it was at the end of the backup.
    pub async fn set_back(&self) -> Result<()> {
        self.server.run("stop").await?;
        self.server.run_other(BACKUP, &["restore"]).await?;
        self.server.run("start").await
    }
}
