//! `UPLOAD_CONCURRENCY`, `SWEEP_INTERVAL_SECONDS`, `SWEEP_GRACE_SECONDS`, and the groups of `depot_service::config`.

use std::time::Duration;

use depot_service::config::{
    ConfigErrors, ConfigReader, DatabaseConfig, Environment, KafkaConfig, ProcessConfig, S3Config,
    TelemetryConfig,
};

/// The uploader's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub database: DatabaseConfig,
    pub kafka: KafkaConfig,
    pub s3: S3Config,
    pub telemetry: TelemetryConfig,
    /// Files moved at once, a partition.
    pub concurrency: usize,
    pub sweep: SweepConfig,
}

/// How the sweep works.
#[derive(Debug, Clone, Copy)]
pub struct SweepConfig {
    pub interval: Duration,
    /// What is younger is left alone: it may belong to work that is under way, here or in another instance. Longer
    /// than a presigned URL lives and the longest PUT takes.
    pub grace: Duration,
}

impl Config {
    /// Reads the process environment.
    ///
    /// # Errors
    /// [`ConfigErrors`], naming everything that is wrong.
    pub fn from_environment() -> Result<Self, ConfigErrors> {
        Self::read(Environment::for_service("UPLOADER"))
    }

    /// Reads an environment.
    ///
    /// # Errors
    /// [`ConfigErrors`], naming everything that is wrong.
    pub fn read(environment: Environment) -> Result<Self, ConfigErrors> {
        let mut reader = ConfigReader::new(environment);
        let config = Self {
            process: ProcessConfig::read(&mut reader, 9183),
            database: DatabaseConfig::read(&mut reader, "uploader"),
            kafka: KafkaConfig::read(&mut reader),
            s3: S3Config::read(&mut reader),
            telemetry: TelemetryConfig::read(&mut reader),
            concurrency: reader.number("UPLOAD_CONCURRENCY", 4, 1..=64),
            sweep: SweepConfig {
                interval: reader.seconds("SWEEP_INTERVAL_SECONDS", 300, 1..=86_400),
                grace: reader.seconds("SWEEP_GRACE_SECONDS", 7_200, 0..=604_800),
            },
        };
        reader.finish()?;
        Ok(config)
    }
}
