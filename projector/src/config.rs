//! `PROJECTION_BATCH_RECORDS`, `PROJECTION_LANES`, `CACHE_TTL_SECONDS`, `REDIS_TIMEOUT_MS`, `CACHE_UPKEEP_MS`,
//! `HISTORY_PARTITION_DAYS`, `HISTORY_RETENTION_DAYS`, and the groups of `depot_service::config`.

use std::time::Duration;

use depot_service::config::{
    ConfigErrors, ConfigReader, DatabaseConfig, Environment, JwtConfig, KafkaConfig, ProcessConfig,
    RedisConfig, TelemetryConfig,
};

/// The projector's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub database: DatabaseConfig,
    pub kafka: KafkaConfig,
    pub redis: RedisConfig,
    /// How the tokens of those are checked who ask for another version of the views.
    pub jwt: JwtConfig,
    pub telemetry: TelemetryConfig,
    pub cache: CacheConfig,
    pub history: HistoryConfig,
    /// The most events in one batch of a partition. A transaction takes batches until it has as many.
    pub batch_records: usize,
    /// Transactions at once.
    pub lanes: usize,
}

/// How the cache is written.
#[derive(Debug, Clone, Copy)]
pub struct CacheConfig {
    /// How long an entry lives, give or take a tenth.
    pub ttl: Duration,
    /// How long Redis may take for one batch, connecting included, before it counts as unreachable.
    pub timeout: Duration,
    /// How often Redis is looked after.
    pub upkeep_interval: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3_600),
            timeout: Duration::from_secs(1),
            upkeep_interval: Duration::from_millis(500),
        }
    }
}

/// How the history of items is kept.
#[derive(Debug, Clone, Copy)]
pub struct HistoryConfig {
    /// How many days a new partition is for.
    pub partition_days: i32,
    /// After how many days a partition is dropped, counted from its end; none: never.
    pub retention_days: Option<i32>,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            partition_days: 90,
            retention_days: None,
        }
    }
}

impl Config {
    /// Reads the process environment.
    ///
    /// # Errors
    /// [`ConfigErrors`], naming everything that is wrong.
    pub fn from_environment() -> Result<Self, ConfigErrors> {
        Self::read(Environment::for_service("PROJECTOR"))
    }

    /// Reads an environment.
    ///
    /// # Errors
    /// [`ConfigErrors`], naming everything that is wrong.
    pub fn read(environment: Environment) -> Result<Self, ConfigErrors> {
        let mut reader = ConfigReader::new(environment);
        let config = Self {
            process: ProcessConfig::read(&mut reader, 9182),
            database: DatabaseConfig::read(&mut reader, "read"),
            kafka: KafkaConfig::read(&mut reader),
            redis: RedisConfig::read(&mut reader),
            jwt: JwtConfig::read(&mut reader),
            telemetry: TelemetryConfig::read(&mut reader),
            cache: CacheConfig {
                ttl: reader.seconds("CACHE_TTL_SECONDS", 3_600, 60..=604_800),
                timeout: reader.millis("REDIS_TIMEOUT_MS", 1_000, 10..=10_000),
                upkeep_interval: reader.millis("CACHE_UPKEEP_MS", 500, 10..=10_000),
            },
            history: HistoryConfig {
                partition_days: reader.number("HISTORY_PARTITION_DAYS", 90, 1..=366),
                // Nothing that a person may leave out by mistake is to delete data, so 0 is not "keep nothing".
                retention_days: Some(reader.number("HISTORY_RETENTION_DAYS", 0, 0..=36_500))
                    .filter(|days| *days > 0),
            },
            batch_records: reader.number("PROJECTION_BATCH_RECORDS", 500, 1..=10_000),
            lanes: reader.number("PROJECTION_LANES", 2, 1..=64),
        };
        reader.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_kept_for_ever_unless_days_are_named() {
        let read = |pairs: &[(&str, &str)]| {
            let required = [
                (
                    "DATABASE_URL",
                    "postgres://depot_projector:secret@localhost/depot",
                ),
                ("KAFKA_BROKERS", "localhost:9092"),
                ("REDIS_ADDR", "localhost:6379"),
                ("JWT_SECRET", "of the tests, and of more than 32 bytes"),
            ];
            let pairs = required.into_iter().chain(pairs.iter().copied());
            Config::read(Environment::from_pairs("PROJECTOR", pairs))
                .map(|config| config.history.retention_days)
        };
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[("HISTORY_RETENTION_DAYS", "0")]).unwrap(), None);
        assert_eq!(read(&[("HISTORY_RETENTION_DAYS", "400")]).unwrap(), Some(400));
        assert!(read(&[("HISTORY_RETENTION_DAYS", "-1")]).is_err());
        assert!(read(&[("HISTORY_PARTITION_DAYS", "0")]).is_err());
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let pairs = [("PROJECTION_LANES", "0"), ("REDIS_ADDR", "::")];
        let environment = Environment::from_pairs("PROJECTOR", pairs);
        let faults = Config::read(environment).unwrap_err().to_string();
        for name in [
            "PROJECTION_LANES",
            "REDIS_ADDR",
            "DATABASE_URL",
            "KAFKA_BROKERS",
            "JWT_SECRET",
        ] {
            assert!(faults.contains(name), "{name} is missing in: {faults}");
        }
    }
}
