//! What query-api reads from its environment (prefix `QUERY_API_`): the shared groups, and `GRPC_PORT`,
//! `READ_REPLICA_URL`, `DATABASE_SEARCH_MAX_CONNECTIONS`, `MAX_CONCURRENT_SEARCHES`, `LOCAL_CACHE_TTL_MS`,
//! `LOCAL_CACHE_MAX_BYTES`, `MAX_WAITING_READS`, `MAX_WATCH_STREAMS`, `CURSOR_SECRET`, `WATCH_SLOW_READER_SECONDS`,
//! `MAX_EXPORTS`, `EXPORT_SLOW_READER_SECONDS`, `DOWNLOAD_URL_SECONDS`, `TOPIC_PREFIX`, `DEV_TOKEN_ENABLED`,
//! `COMMAND_API_ADMIN_URLS`, `PROJECTOR_ADMIN_URLS`, `UPLOADER_ADMIN_URLS`, `QUERY_API_ADMIN_URLS`,
//! `CONSOLE_ENABLED`, `COMMAND_PUBLIC_URL`, `CONSOLE_REPOSITORY_URL`, `CONSOLE_OPENID_ISSUER`, `CONSOLE_OPENID_CLIENT_ID`,
//! `CONSOLE_OPENID_SCOPE`, `CONSOLE_CONNECT_ORIGINS`.

use std::time::Duration;

use depot_service::config::{
    AppEnv, ConfigErrors, ConfigReader, DatabaseConfig, Environment, HttpConfig, JwtConfig, ProcessConfig,
    RateLimitConfig, RedisConfig, S3Config, TelemetryConfig,
};
use secrecy::SecretString;
use url::Url;

use crate::{
    console::{ConsoleConfig, OpenIdConfig, origin},
    pipeline::AdminAddresses,
    queries::WatchLimits,
    read::LocalCacheSettings,
    rest::ExportLimits,
    visibility::{MAX_WAIT, PollPace},
};

/// What a request may take beyond the longest wait for a version.
const ROOM_BEYOND_WAIT: Duration = Duration::from_secs(5);

/// Lists and searches that are let in for each connection that they have. Who is let in waits for that many at most; with
/// fewer, clients that open some hundred connections at once would be refused lists that take a millisecond each.
const SEARCHES_PER_CONNECTION: u32 = 40;

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub http: HttpConfig,
    pub grpc_port: u16,
    pub database: DatabaseConfig,
    /// A streaming replica of the database, asked first for what may lag; the pools, limits and TLS of the database's.
    pub read_replica_url: Option<SecretString>,
    /// The most connections of lists and searches; single reads and streams have `database.max_connections`.
    pub search_max_connections: u32,
    /// Lists, searches and statistics that are under way at a time; what comes beyond is refused at once.
    pub max_concurrent_searches: usize,
    pub redis: RedisConfig,
    pub s3: S3Config,
    pub jwt: JwtConfig,
    /// Authenticates cursors: the same for all processes of the service.
    pub cursor_secret: SecretString,
    pub rate_limit: RateLimitConfig,
    pub telemetry: TelemetryConfig,
    pub local_cache: LocalCacheSettings,
    /// Requests that wait for a version at a time.
    pub max_waiting_reads: usize,
    pub poll_pace: PollPace,
    pub watch: WatchLimits,
    pub export: ExportLimits,
    /// How long a download URL holds; at most five minutes.
    pub download_url_ttl: Duration,
    /// The topics that the views are built from begin with it.
    pub topic_prefix: String,
    pub console: ConsoleConfig,
    /// Whether whoever asks gets a token: in development.
    pub dev_token_enabled: bool,
    /// Where the processes of all services are asked how they are.
    pub admin: AdminAddresses,
}

impl Config {
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_environment() -> Result<Self, ConfigErrors> {
        Self::read(ConfigReader::new(Environment::for_service("QUERY_API")))
    }

    /// # Errors
    /// Everything that is wrong, at once.
    pub fn read(mut reader: ConfigReader) -> Result<Self, ConfigErrors> {
        let r = &mut reader;
        let mut http = HttpConfig::read(r, 8081);
        // A request that waits for a version must not be cut by the limit for all the others.
        http.request_timeout = http.request_timeout.max(MAX_WAIT + ROOM_BEYOND_WAIT);
        let jwt = JwtConfig::read(r);
        let search_max_connections = r.number("DATABASE_SEARCH_MAX_CONNECTIONS", 10, 1..=1_000);
        let dev_token_enabled = dev_token_enabled(r, &jwt);
        let admin = AdminAddresses {
            command_api: admin_urls(r, "COMMAND_API_ADMIN_URLS", 9180),
            projector: admin_urls(r, "PROJECTOR_ADMIN_URLS", 9182),
            uploader: admin_urls(r, "UPLOADER_ADMIN_URLS", 9183),
            query_api: admin_urls(r, "QUERY_API_ADMIN_URLS", 9181),
        };
        let searches = (search_max_connections * SEARCHES_PER_CONNECTION) as usize;
        let config = Self {
            process: ProcessConfig::read(r, 9181),
            http,
            grpc_port: r.port("GRPC_PORT", 50_051),
            database: DatabaseConfig::read(r, "read"),
            read_replica_url: DatabaseConfig::read_optional_url(r, "READ_REPLICA_URL"),
            search_max_connections,
            max_concurrent_searches: r.number("MAX_CONCURRENT_SEARCHES", searches, 1..=100_000),
            redis: RedisConfig::read(r),
            s3: S3Config::read(r),
            cursor_secret: cursor_secret(r, &jwt),
            jwt,
            rate_limit: RateLimitConfig::read(r),
            telemetry: TelemetryConfig::read(r),
            local_cache: LocalCacheSettings {
                ttl: r.millis("LOCAL_CACHE_TTL_MS", 200, 0..=1_000),
                max_bytes: r.number("LOCAL_CACHE_MAX_BYTES", 33_554_432, 0..=17_179_869_184),
            },
            max_waiting_reads: r.number("MAX_WAITING_READS", 500, 1..=100_000),
            poll_pace: PollPace::default(),
            watch: WatchLimits {
                max_streams: r.number("MAX_WATCH_STREAMS", 200, 1..=100_000),
                slow_after: r.seconds("WATCH_SLOW_READER_SECONDS", 10, 1..=600),
                ..WatchLimits::default()
            },
            export: ExportLimits {
                max_exports: r.number("MAX_EXPORTS", 8, 1..=1_000),
                slow_after: r.seconds("EXPORT_SLOW_READER_SECONDS", 30, 1..=3_600),
            },
            download_url_ttl: r.seconds("DOWNLOAD_URL_SECONDS", 300, 1..=300),
            topic_prefix: r.text("TOPIC_PREFIX", "depot"),
            console: console(r),
            dev_token_enabled,
            admin,
        };
        reader.finish()?;
        Ok(config)
    }
}

/// Of its own, or that of tokens; a key is derived of it either way.
fn cursor_secret(reader: &mut ConfigReader, jwt: &JwtConfig) -> SecretString {
    if let Some(secret) = reader.optional_secret("CURSOR_SECRET", 32) {
        return secret;
    }
    if jwt.secret.is_none() && jwt.keys.is_some() {
        reader.fault(
            "CURSOR_SECRET",
            "is not set, and JWT_SECRET neither",
            "set a secret of at least 32 bytes, the same for all processes of query-api",
        );
    }
    jwt.secret.clone().unwrap_or_default()
}

fn console(reader: &mut ConfigReader) -> ConsoleConfig {
    ConsoleConfig {
        enabled: reader.boolean("CONSOLE_ENABLED", true),
        environment: reader.app_env(),
        command_url: reader.url("COMMAND_PUBLIC_URL", "http://localhost:8080"),
        repository_url: reader.optional_url("CONSOLE_REPOSITORY_URL"),
        openid: openid(reader),
        connect_origins: connect_origins(reader),
    }
}

fn openid(reader: &mut ConfigReader) -> Option<OpenIdConfig> {
    let issuer = reader.optional_url("CONSOLE_OPENID_ISSUER");
    let client_id = reader.optional_text("CONSOLE_OPENID_CLIENT_ID");
    let scope = reader.text("CONSOLE_OPENID_SCOPE", "openid");
    match (issuer, client_id) {
        (Some(issuer), Some(client_id)) => Some(OpenIdConfig {
            issuer,
            client_id,
            scope,
        }),
        (Some(_), None) => {
            reader.fault(
                "CONSOLE_OPENID_CLIENT_ID",
                "is not set, though CONSOLE_OPENID_ISSUER is",
                "set the name under which the issuer knows the console",
            );
            None
        }
        (None, Some(_)) => {
            reader.fault(
                "CONSOLE_OPENID_ISSUER",
                "is not set, though CONSOLE_OPENID_CLIENT_ID is",
                "set the issuer's URL",
            );
            None
        }
        (None, None) => None,
    }
}

fn connect_origins(reader: &mut ConfigReader) -> Vec<String> {
    let mut origins = Vec::new();
    for text in reader.list("CONSOLE_CONNECT_ORIGINS") {
        if origin(&text).as_ref() == Some(&text) {
            origins.push(text);
        } else {
            reader.fault(
                "CONSOLE_CONNECT_ORIGINS",
                format!("`{text}` is not an origin"),
                "set scheme://host[:port] without a path, several separated by commas",
            );
        }
    }
    origins
}

/// Anybody who reaches the port would be anybody: refused in production, and where somebody else signs the tokens.
fn dev_token_enabled(reader: &mut ConfigReader, jwt: &JwtConfig) -> bool {
    const NAME: &str = "DEV_TOKEN_ENABLED";
    let is_enabled = reader.boolean(NAME, false);
    if !is_enabled {
        return false;
    }
    if reader.app_env() == AppEnv::Production {
        reader.fault(
            NAME,
            "is true in production",
            "take it away: whoever asks would be an admin",
        );
    }
    if jwt.secret.is_none() || jwt.keys.is_some() {
        reader.fault(
            NAME,
            "is true, though an issuer signs the tokens",
            "take it away, or set JWT_SECRET and no JWT_JWKS_URL or JWT_JWKS_FILE",
        );
    }
    is_enabled
}

/// The admin ports of a service, of the process at the usual port of this machine where nothing is said.
fn admin_urls(reader: &mut ConfigReader, name: &str, port: u16) -> Vec<Url> {
    let mut texts = reader.list(name);
    if texts.is_empty() {
        texts.push(format!("http://127.0.0.1:{port}"));
    }
    let mut urls = Vec::new();
    for text in texts {
        match Url::parse(&text) {
            Ok(url) if url.scheme() == "http" && url.has_host() => urls.push(url),
            _ => reader.fault(
                name,
                format!("`{text}` is not an http URL"),
                "set the admin ports as http://host:port, several separated by commas",
            ),
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<Config, String> {
        let needed = [
            ("APP_ENV", "test"),
            ("DATABASE_URL", "postgres://depot_query:x@localhost/depot"),
            ("REDIS_ADDR", "localhost:6379"),
            ("MINIO_ENDPOINT", "http://localhost:9000"),
            ("MINIO_ACCESS_KEY", "key"),
            ("MINIO_SECRET_KEY", "secret-of-the-store"),
            ("JWT_SECRET", "a secret of the tests, which is long enough"),
        ];
        // The later of two wins.
        let environment = Environment::from_pairs("QUERY_API", needed.iter().chain(more).copied());
        Config::read(ConfigReader::new(environment)).map_err(|faults| faults.to_string())
    }

    #[test]
    fn tokens_for_whoever_asks_are_given_when_that_is_wanted_and_never_in_production() {
        assert!(!read(&[]).unwrap().dev_token_enabled);
        let wanted = ("DEV_TOKEN_ENABLED", "true");
        assert!(read(&[wanted]).unwrap().dev_token_enabled);
        let refused = read(&[wanted, ("APP_ENV", "production")]).unwrap_err();
        assert!(refused.contains("DEV_TOKEN_ENABLED"), "{refused}");
        let issuer = ("JWT_JWKS_URL", "https://issuer.example/keys");
        let refused = read(&[wanted, issuer]).unwrap_err();
        assert!(refused.contains("DEV_TOKEN_ENABLED"), "{refused}");
    }

    #[test]
    fn half_an_issuer_and_what_is_no_origin_are_refused() {
        let refused = read(&[
            ("CONSOLE_OPENID_ISSUER", "https://issuer.example"),
            ("CONSOLE_CONNECT_ORIGINS", "https://tokens.example/path"),
        ]);
        let refused = refused.unwrap_err();
        assert!(
            refused.contains("CONSOLE_OPENID_CLIENT_ID") && refused.contains("CONSOLE_CONNECT_ORIGINS"),
            "{refused}"
        );
    }

    #[test]
    fn processes_are_asked_at_the_usual_ports_unless_it_is_said_where() {
        let config = read(&[("PROJECTOR_ADMIN_URLS", "http://one:9182, http://two:9182")]).unwrap();
        assert_eq!(config.admin.projector.len(), 2);
        assert_eq!(config.admin.uploader[0].as_str(), "http://127.0.0.1:9183/");
        let refused = read(&[("UPLOADER_ADMIN_URLS", "https://three:9183")]).unwrap_err();
        assert!(refused.contains("UPLOADER_ADMIN_URLS"), "{refused}");
    }
}
