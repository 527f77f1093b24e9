//! The groups of `depot_service::config`, and `GRPC_PORT`, `QUERY_PUBLIC_URL`, `DEFAULT_QUOTA_BYTES`, `UPLOAD_URL_TTL_SECONDS`,
//! `UPLOAD_GRACE_SECONDS`, `UPLOAD_CONTENT_TYPES`, `MULTIPART_OVER_BYTES`, `MULTIPART_PART_BYTES`, `MULTIPART_TTL_SECONDS`,
//! `MAX_CONTENT_STREAMS`, `MAX_BATCH_BYTES`, `MAX_IMPORTS`, `IMPORT_IDLE_SECONDS`, `MAX_CONCURRENT_COMMANDS`, `COMMAND_GROUP_MAX_SIZE`, `COMMAND_GROUP_LANES`,
//! `MAX_GROUPED_COMMANDS`, `IDEMPOTENCY_TTL_HOURS`, `RELAY_ENABLED`, `SAGA_ENABLED`, `DEAD_LETTERS_ENABLED`,
//! `STORE_NOTIFICATIONS_ENABLED`, `SAGA_SWEEP_ENABLED`, `SAGA_SWEEP_INTERVAL_SECONDS`, `SAGA_SWEEP_GRACE_SECONDS`,
//! `UPLOADER_ADMIN_URL`.

use std::time::Duration;

use depot_domain::{AcceptedTypes, Invalid, SizeBytes};
use depot_object_store::MIN_PART_BYTES;
use depot_service::config::{
    ConfigErrors, ConfigReader, DatabaseConfig, Environment, HttpConfig, JwtConfig, KafkaConfig,
    ProcessConfig, RateLimitConfig, S3Config, TelemetryConfig,
};

use crate::execution::{ExecutorSettings, GroupSettings};

/// The schema that this service owns.
pub const SCHEMA: &str = "command";
const DEFAULT_QUOTA_BYTES: i64 = 10 * 1024 * 1024 * 1024;
const MIB: i64 = 1024 * 1024;
/// Commands for each connection of the pool: one that works on it, and a few that wait, so that it is never idle. More
/// would get nothing done sooner, and each of them would wait for all that came before it.
const COMMANDS_PER_CONNECTION: usize = 4;
/// See docs/decisions/0070-commands-share-transactions.md for these three.
const GROUP_MAX_SIZE: usize = 64;
const GROUP_LANES: usize = 2;
/// Of full groups: the one in flight, and those that gather meanwhile.
const GROUPS_PER_LANE: usize = 4;

/// Everything that this service is told from outside.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub http: HttpConfig,
    pub grpc_port: u16,
    pub database: DatabaseConfig,
    pub kafka: KafkaConfig,
    pub s3: S3Config,
    pub jwt: JwtConfig,
    pub rate_limit: RateLimitConfig,
    pub telemetry: TelemetryConfig,
    /// Where the query API is for clients.
    pub query_public_url: String,
    /// The limit of an account that nobody has set one for.
    pub default_quota_bytes: i64,
    /// How long a presigned URL lasts.
    pub upload_url_ttl: Duration,
    /// How long after that an upload may still be completed.
    pub upload_grace: Duration,
    /// The types of content that may be uploaded.
    pub accepted_types: AcceptedTypes,
    /// Files over this are sent in parts.
    pub multipart_over_bytes: i64,
    /// The size of each part but the last.
    pub multipart_part_bytes: i64,
    /// How long parts may be sent.
    pub multipart_ttl: Duration,
    /// Files that are taken through this API at once.
    pub max_content_streams: usize,
    /// The largest document of items that are created at once.
    pub max_batch_bytes: usize,
    /// Imports under way at once.
    pub max_imports: usize,
    /// How long a client of an import may send nothing, or read nothing.
    pub import_idle: Duration,
    /// How commands are run.
    pub commands: ExecutorSettings,
    /// Whether this process publishes the outbox.
    pub relay_enabled: bool,
    /// Whether this process runs the saga and its deadlines.
    pub saga_enabled: bool,
    /// Whether this process indexes and redrives dead letters.
    pub dead_letters_enabled: bool,
    /// Whether this process completes uploads that the object store tells of.
    pub store_notifications_enabled: bool,
    /// Whether this process sweeps by itself.
    pub sweep_enabled: bool,
    /// How often one of the processes does.
    pub sweep_interval: Duration,
    /// How long an event may be on its way before its absence is taken for damage.
    pub sweep_grace: Duration,
    /// Where the uploader's admin port is.
    pub uploader_admin_url: String,
}

impl Config {
    /// From the environment of the process.
    ///
    /// # Errors
    /// All faults at once.
    pub fn from_environment() -> Result<Self, ConfigErrors> {
        Self::read(Environment::for_service("COMMAND_API"))
    }

    /// From any environment.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read(environment: Environment) -> Result<Self, ConfigErrors> {
        let mut reader = ConfigReader::new(environment);
        let database = DatabaseConfig::read(&mut reader, SCHEMA);
        let connections = database.max_connections as usize;
        let config = Self {
            process: ProcessConfig::read(&mut reader, 9180),
            http: HttpConfig::read(&mut reader, 8080),
            grpc_port: reader.port("GRPC_PORT", 50_052),
            database,
            kafka: KafkaConfig::read(&mut reader),
            s3: S3Config::read(&mut reader),
            jwt: JwtConfig::read_among_services(&mut reader),
            rate_limit: RateLimitConfig::read(&mut reader),
            telemetry: TelemetryConfig::read(&mut reader),
            query_public_url: reader.url("QUERY_PUBLIC_URL", "http://localhost:8081"),
            default_quota_bytes: reader.number("DEFAULT_QUOTA_BYTES", DEFAULT_QUOTA_BYTES, 0..=i64::MAX),
            // A signature of S3 lasts at most seven days.
            upload_url_ttl: reader.seconds("UPLOAD_URL_TTL_SECONDS", 900, 1..=604_800),
            upload_grace: reader.seconds("UPLOAD_GRACE_SECONDS", 60, 0..=86_400),
            accepted_types: accepted_types(&mut reader),
            multipart_over_bytes: reader.number("MULTIPART_OVER_BYTES", 64 * MIB, 1..=SizeBytes::MAX),
            // Between S3's smallest part and what one request can be hoped to bring across.
            multipart_part_bytes: reader.number("MULTIPART_PART_BYTES", 16 * MIB, MIN_PART_BYTES..=512 * MIB),
            // Less than the two days after which the buckets' rule drops the parts of what nobody ended.
            multipart_ttl: reader.seconds("MULTIPART_TTL_SECONDS", 86_400, 1..=165_600),
            max_content_streams: reader.number("MAX_CONTENT_STREAMS", 16, 1..=1_000),
            max_batch_bytes: reader.number("MAX_BATCH_BYTES", 2 * MIB as usize, 1_024..=67_108_864),
            max_imports: reader.number("MAX_IMPORTS", 4, 1..=1_000),
            import_idle: reader.seconds("IMPORT_IDLE_SECONDS", 30, 1..=3_600),
            commands: commands(&mut reader, connections),
            relay_enabled: reader.boolean("RELAY_ENABLED", true),
            saga_enabled: reader.boolean("SAGA_ENABLED", true),
            dead_letters_enabled: reader.boolean("DEAD_LETTERS_ENABLED", true),
            store_notifications_enabled: reader.boolean("STORE_NOTIFICATIONS_ENABLED", false),
            sweep_enabled: reader.boolean("SAGA_SWEEP_ENABLED", true),
            sweep_interval: reader.seconds("SAGA_SWEEP_INTERVAL_SECONDS", 300, 1..=86_400),
            sweep_grace: reader.seconds("SAGA_SWEEP_GRACE_SECONDS", 7_200, 0..=604_800),
            uploader_admin_url: reader.url("UPLOADER_ADMIN_URL", "http://127.0.0.1:9183"),
        };
        reader.finish()?;
        Ok(config)
    }
}

fn commands(reader: &mut ConfigReader, connections: usize) -> ExecutorSettings {
    let places = COMMANDS_PER_CONNECTION * connections;
    let max_size = reader.number("COMMAND_GROUP_MAX_SIZE", GROUP_MAX_SIZE, 1..=1_000);
    let lanes = reader.number("COMMAND_GROUP_LANES", GROUP_LANES, 1..=64);
    ExecutorSettings {
        max_commands: reader.number("MAX_CONCURRENT_COMMANDS", places, 1..=1_000_000),
        group: GroupSettings {
            max_size,
            lanes,
            max_commands: reader.number(
                "MAX_GROUPED_COMMANDS",
                GROUPS_PER_LANE * max_size * lanes,
                1..=1_000_000,
            ),
        },
        // Repeats are promised to be recognised for at least 24 hours.
        idempotency_ttl_hours: reader.number("IDEMPOTENCY_TTL_HOURS", 24, 24..=8_760),
    }
}

fn accepted_types(reader: &mut ConfigReader) -> AcceptedTypes {
    let entries = reader.list("UPLOAD_CONTENT_TYPES");
    AcceptedTypes::parse(entries).unwrap_or_else(|Invalid(errors)| {
        for error in errors {
            let shown: String = error.pointer.chars().take(60).collect();
            let fix = "set media types such as image/png, with commas between them";
            reader.fault("UPLOAD_CONTENT_TYPES", format!("`{shown}` cannot be used"), fix);
        }
        AcceptedTypes::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(more: &[(&str, &str)]) -> ExecutorSettings {
        let needed = [
            ("APP_ENV", "test"),
            ("DATABASE_URL", "postgres://depot_command:x@localhost/depot"),
            ("KAFKA_BROKERS", "localhost:9092"),
            ("MINIO_ENDPOINT", "http://localhost:9000"),
            ("MINIO_ACCESS_KEY", "key"),
            ("MINIO_SECRET_KEY", "secret-of-the-store"),
            ("JWT_SECRET", "a secret of the tests, which is long enough"),
        ];
        let environment = Environment::from_pairs("COMMAND_API", needed.iter().chain(more).copied());
        Config::read(environment).unwrap().commands
    }

    #[test]
    fn there_are_places_for_four_commands_a_connection_unless_it_is_said_how_many() {
        assert_eq!(commands(&[]).max_commands, 40);
        assert_eq!(commands(&[("DATABASE_MAX_CONNECTIONS", "3")]).max_commands, 12);
        let own = [
            ("DATABASE_MAX_CONNECTIONS", "3"),
            ("MAX_CONCURRENT_COMMANDS", "5"),
        ];
        assert_eq!(commands(&own).max_commands, 5);
    }

    #[test]
    fn four_groups_a_lane_may_wait_unless_it_is_said_how_many() {
        assert_eq!(commands(&[]).group.max_commands, 512);
        let small = [("COMMAND_GROUP_MAX_SIZE", "3"), ("COMMAND_GROUP_LANES", "1")];
        assert_eq!(commands(&small).group.max_commands, 12);
        assert_eq!(commands(&[("MAX_GROUPED_COMMANDS", "7")]).group.max_commands, 7);
    }
}
