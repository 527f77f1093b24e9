use anyhow::Result;
use depot_migrate::Passwords;
use depot_test_stack::{OperatorRole, ServiceRole, free_port, settings, unique_name};

use super::Server;

/// A migrated Postgres with settings of the test's own.
pub struct ConfiguredPostgres {
    server: Server,
    port: u16,
}

const OPTIONS: &str = "STACK_POSTGRES_OPTIONS";

impl ConfiguredPostgres {
    /// With settings of the server, `-c name=value -c …`.
    pub async fn start_with(options: &str) -> Result<Self> {
        let port = free_port()?;
        let owner = format!("postgres://depot_owner:{}@127.0.0.1:{port}/depot", unique_name());
        let environment = vec![
            ("STACK_POSTGRES_PORT", port.to_string()),
            ("MIGRATE_DATABASE_URL", owner.clone()),
            (OPTIONS, options.to_owned()),
        ];
        let server = Server::start("postgres.sh", environment).await?;
        let passwords = Passwords::from_urls(|name| Some(settings().get(name).to_owned()));
        depot_migrate::migrate(&owner.parse()?, &passwords).await?;
        Ok(Self { server, port })
    }

    /// Stops it, and starts it on the same data with other settings.
    pub async fn restart_with(&mut self, options: &str) -> Result<()> {
        self.server.run("stop").await?;
        for (name, value) in &mut self.server.environment {
            if *name == OPTIONS {
                options.clone_into(value);
            }
        }
        self.server.run("start").await
    }

    /// What the services are given, and operators.
    pub fn urls(&self) -> Vec<(&'static str, String)> {
        let services = ServiceRole::ALL.map(ServiceRole::url_variable);
        let variables = services.into_iter().chain([OperatorRole::URL_VARIABLE]);
        let here = variables.map(|variable| {
            let url = settings().get(variable);
            let (credentials, _) = url.rsplit_once('@').expect("a URL with a user");
            (variable, format!("{credentials}@127.0.0.1:{}/depot", self.port))
        });
        here.collect()
    }
}
