use std::{fs, sync::Arc};

use anyhow::Result;
use depot_migrate::Passwords;
use depot_test_stack::{ServiceRole, free_port, settings, unique_name};
use sqlx::{Connection as _, PgConnection};

use super::Server;
/// A migrated Postgres, and a streaming replica of it that can be held back and stopped.
pub struct ReplicatedPostgres {
    // Ends first.
    replica: Server,
    primary: Server,
    ports: Ports,
}

struct Ports {
    primary: u16,
    replica: u16,
}

impl ReplicatedPostgres {
    pub async fn start() -> Result<Self> {
        let ports = Ports {
            primary: free_port()?,
            replica: free_port()?,
        };
        let owner = format!(
            "postgres://depot_owner:{}@127.0.0.1:{}/depot",
            unique_name(),
            ports.primary
        );
        let environment = vec![
            ("STACK_POSTGRES_PORT", ports.primary.to_string()),
            ("STACK_REPLICA_PORT", ports.replica.to_string()),
            ("MIGRATE_DATABASE_URL", owner.clone()),
        ];
        let primary = Server::start("postgres.sh", environment.clone()).await?;
        let replica = Server::start_in(Arc::clone(&primary.folder), "replica.sh", environment).await?;
        let passwords = Passwords::from_urls(|name| Some(settings().get(name).to_owned()));
        depot_migrate::migrate(&owner.parse()?, &passwords).await?;
        Ok(Self {
            replica,
            primary,
            ports,
        })
    }

    /// What the services are given.
    pub fn urls(&self) -> Vec<(&'static str, String)> {
        let at = |role: ServiceRole, port| {
            let url = settings().get(role.url_variable());
            let (credentials, _) = url.rsplit_once('@').expect("a URL with a user");
            format!("{credentials}@127.0.0.1:{port}/depot")
        };
        let mut urls: Vec<_> = ServiceRole::ALL
            .into_iter()
            .map(|role| (role.url_variable(), at(role, self.ports.primary)))
            .collect();
        urls.push((
            "QUERY_API_READ_REPLICA_URL",
            at(ServiceRole::Query, self.ports.replica),
        ));
        urls
    }

    /// It receives what is written, and shows nothing of it until it is let go.
    pub async fn hold_back(&self) -> Result<()> {
        let held = "SELECT pg_wal_replay_pause();
            DO $$ BEGIN
                WHILE pg_get_wal_replay_pause_state() <> 'paused' LOOP PERFORM pg_sleep(0.01); END LOOP;
            END $$";
        as_superuser(&self.primary, self.ports.replica, held).await
    }

    pub async fn let_go(&self) -> Result<()> {
        as_superuser(&self.primary, self.ports.replica, "SELECT pg_wal_replay_resume()").await
    }

    pub async fn stop_replica(&self) -> Result<()> {
        self.replica.run("stop").await
    }
}

pub(super) async fn as_superuser(server: &Server, port: u16, statements: &str) -> Result<()> {
    let password = fs::read_to_string(server.folder().join("postgres.password"))?;
    let url = format!(
        "postgres://postgres:{}@127.0.0.1:{port}/postgres",
        password.trim()
    );
    let mut connection = PgConnection::connect(&url).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}
