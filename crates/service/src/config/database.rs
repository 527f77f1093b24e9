//! `DATABASE_URL`, `DATABASE_MAX_CONNECTIONS`, `DATABASE_ACQUIRE_TIMEOUT_MS`, `DATABASE_STATEMENT_TIMEOUT_MS`,
//! `DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS`, `DATABASE_TLS_MODE`, `DATABASE_CA_FILE`, `DATABASE_CERT_FILE`,
//! `DATABASE_KEY_FILE`.

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{ConfigReader, TlsFiles};

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
    /// How connections are secured.
    pub tls: DatabaseTls,
}

/// How connections to Postgres are secured, where the URL does not say it.
#[derive(Debug, Clone, Default)]
pub struct DatabaseTls {
    /// `disable`, `prefer`, `require`, `verify-ca` or `verify-full`; none: what the URL says, `prefer` if it says nothing.
    pub mode: Option<&'static str>,
    /// Whom to trust, and who this process is.
    pub files: TlsFiles,
}

impl DatabaseTls {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let modes = ["verify-full", "verify-ca", "require", "prefer", "disable"];
        let is_set = reader.optional_text("DATABASE_TLS_MODE").is_some();
        let mode = reader.one_of("DATABASE_TLS_MODE", &modes);
        let mode = modes.into_iter().find(|known| is_set && *known == mode);
        let ca_file = reader.optional_pem_file("DATABASE_CA_FILE");
        let certificate = reader.optional_pem_file("DATABASE_CERT_FILE");
        let key = reader.optional_pem_file("DATABASE_KEY_FILE");
        let names = ("DATABASE_CERT_FILE", "DATABASE_KEY_FILE");
        let files = TlsFiles::new(reader, ca_file, (names.0, certificate), (names.1, key));
        if !files.is_empty() && !mode.is_some_and(|mode| mode.starts_with("verify-")) {
            // The other modes ask nobody who he is, and a file of authorities beside them only looks safe.
            reader.fault(
                "DATABASE_TLS_MODE",
                "does not check who answers, though DATABASE_CA_FILE or DATABASE_CERT_FILE is set",
                "set verify-full (or verify-ca)",
            );
        }
        Self { mode, files }
    }

    /// The options with what is set here.
    #[must_use]
    pub fn apply(&self, options: PgConnectOptions) -> PgConnectOptions {
        let options = match self.mode {
            Some("verify-full") => options.ssl_mode(PgSslMode::VerifyFull),
            Some("verify-ca") => options.ssl_mode(PgSslMode::VerifyCa),
            Some("require") => options.ssl_mode(PgSslMode::Require),
            Some("prefer") => options.ssl_mode(PgSslMode::Prefer),
            Some("disable") => options.ssl_mode(PgSslMode::Disable),
            _ => options,
        };
        let options = match &self.files.ca_file {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        };
        match &self.files.identity {
            Some((certificate, key)) => options.ssl_client_cert(certificate).ssl_client_key(key),
            None => options,
        }
    }
}

const URL_EXAMPLE: &str = "postgres://depot_command:password@localhost:5432/depot";

/// An empty one was told of already, or is none.
fn check_url(reader: &mut ConfigReader, name: &str, url: &str) {
    let scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let usable = scheme && PgConnectOptions::from_str(url).is_ok();
    if !url.is_empty() && !usable {
        reader.fault(
            name,
            "is not a Postgres URL",
            format!("set a URL such as {URL_EXAMPLE}"),
        );
    }
}

impl DatabaseConfig {
    /// Reads the group for a service that owns `schema`.
    pub fn read(reader: &mut ConfigReader, schema: &str) -> Self {
        let url = reader.required_text("DATABASE_URL", URL_EXAMPLE);
        check_url(reader, "DATABASE_URL", &url);
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
            tls: DatabaseTls::read(reader),
        }
    }

    /// The URL of one more database, if there is one.
    pub fn read_optional_url(reader: &mut ConfigReader, name: &str) -> Option<SecretString> {
        let url = reader.optional_text(name)?;
        check_url(reader, name, &url);
        Some(url.into())
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
            tls: DatabaseTls::default(),
        }
    }

    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        PgConnectOptions::from_str(self.url.expose_secret()).map(|options| self.tls.apply(options))
    }
}
