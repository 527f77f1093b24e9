//! What query-api reads from its environment (prefix `QUERY_API_`): the shared groups, and `GRPC_PORT`,
//! `READ_REPLICA_URL`, `DATABASE_SEARCH_MAX_CONNECTIONS`, `MAX_CONCURRENT_SEARCHES`, `LOCAL_CACHE_TTL_MS`,
//! `LOCAL_CACHE_MAX_BYTES`, `MAX_WAITING_READS`, `MAX_WATCH_STREAMS`, `CURSOR_SECRET`, `WATCH_SLOW_READER_SECONDS`,
//! `MAX_EXPORTS`, `EXPORT_SLOW_READER_SECONDS`, `DOWNLOAD_URL_SECONDS`, `TOPIC_PREFIX`.

use std::time::Duration;

use depot_service::config::{
    ConfigErrors, ConfigReader, DatabaseConfig, Environment, HttpConfig, JwtConfig, ProcessConfig,
    RateLimitConfig, RedisConfig, S3Config, TelemetryConfig,
};
use secrecy::SecretString;

use crate::{
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
    /// The most connections of lists, searches and streams; single reads have `database.max_connections`.
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
