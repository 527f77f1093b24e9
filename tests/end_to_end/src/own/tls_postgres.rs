use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use anyhow::Result;
use depot_test_stack::{free_port, unique_name};
use tokio::process::Command;

use super::{Server, replicated_postgres::as_superuser};
use crate::authority::Signed;

/// A Postgres that is entered by TLS only: by password, or by a certificate as the role `by_certificate`.
pub struct TlsPostgres {
    server: Server,
    pub port: u16,
    /// Of the role `depot_owner`.
    pub owner_password: String,
}

impl TlsPostgres {
    pub async fn start(server: &Signed, authority: &Path) -> Result<Self> {
        let (port, owner_password) = (free_port()?, unique_name());
        let environment = vec![
            ("STACK_POSTGRES_PORT", port.to_string()),
            (
                "MIGRATE_DATABASE_URL",
                format!("postgres://depot_owner:{owner_password}@127.0.0.1:{port}/depot"),
            ),
        ];
        let postgres = Self {
            server: Server::start("postgres.sh", environment).await?,
            port,
            owner_password,
        };
        let data = postgres.server.folder().join("postgres");
        let owner = fs::metadata(&data)?;
        for (name, from) in [("server.crt", &server.certificate), ("server.key", &server.key)] {
            fs::copy(from, data.join(name))?;
        }
        fs::copy(authority, data.join("root.crt"))?;
        for name in ["server.crt", "server.key", "root.crt"] {
            let file = data.join(name);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            chown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        let role = "CREATE ROLE by_certificate LOGIN; GRANT CONNECT ON DATABASE depot TO by_certificate";
        as_superuser(&postgres.server, port, role).await?;
        let settings =
            "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nssl_ca_file = 'root.crt'\n";
        let file = data.join("postgresql.conf");
        fs::write(&file, fs::read_to_string(&file)? + settings)?;
        fs::write(
            data.join("pg_hba.conf"),
            "hostssl all by_certificate all cert\nhostssl all all all scram-sha-256\n",
        )?;
        let pid = fs::read_to_string(postgres.server.folder().join("run/postgres.pid"))?;
        let told = Command::new("kill")
            .args(["-s", "HUP", pid.trim()])
            .status()
            .await?;
        anyhow::ensure!(told.success(), "Postgres was not told to read its settings again");
        Ok(postgres)
    }

    pub fn url(&self, user: &str, password: &str, host: &str) -> String {
        format!("postgres://{user}:{password}@{host}:{}/depot", self.port)
    }
}
