//! `UPLOAD_CONCURRENCY`, `UPLOAD_RETRY_DELAYS_SECONDS`, `SWEEP_INTERVAL_SECONDS`, `SWEEP_GRACE_SECONDS`,
//! `SCANNER_ADDR`, `SCANNER_CONNECT_TIMEOUT_MS`, `SCANNER_TIMEOUT_SECONDS`,
//! `THUMBNAILS_AT_ONCE`, `THUMBNAIL_MAX_INPUT_BYTES`, `THUMBNAIL_MAX_PIXELS`, and the groups of `depot_service::config`.

use std::time::Duration;

use depot_schemas::topics::UPLOAD_RETRIES;
use depot_service::config::{
    ConfigErrors, ConfigReader, DatabaseConfig, Environment, JwtConfig, KafkaConfig, ProcessConfig, S3Config,
    TelemetryConfig,
};

use crate::{clamd::ClamdSettings, derive_thumbnail::ThumbnailLimits};

/// The uploader's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub database: DatabaseConfig,
    pub kafka: KafkaConfig,
    pub s3: S3Config,
    /// Who may ask for what is under `/admin`.
    pub jwt: JwtConfig,
    pub telemetry: TelemetryConfig,
    /// Files moved at once, a partition.
    pub concurrency: usize,
    /// How long a message waits in each of the retry topics.
    pub retry_delays: [Duration; UPLOAD_RETRIES.len()],
    pub sweep: SweepConfig,
    /// The scanner, where there is one.
    pub scanner: Option<ClamdSettings>,
    pub thumbnails: ThumbnailLimits,
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
            jwt: JwtConfig::read_among_services(&mut reader),
            telemetry: TelemetryConfig::read(&mut reader),
            concurrency: reader.number("UPLOAD_CONCURRENCY", 4, 1..=64),
            retry_delays: retry_delays(&mut reader),
            sweep: SweepConfig {
                interval: reader.seconds("SWEEP_INTERVAL_SECONDS", 300, 1..=86_400),
                grace: reader.seconds("SWEEP_GRACE_SECONDS", 7_200, 0..=604_800),
            },
            scanner: scanner(&mut reader),
            thumbnails: thumbnails(&mut reader),
        };
        reader.finish()?;
        Ok(config)
    }
}

/// None unless an address is set.
fn scanner(reader: &mut ConfigReader) -> Option<ClamdSettings> {
    const NAME: &str = "SCANNER_ADDR";
    let connect_timeout = reader.millis("SCANNER_CONNECT_TIMEOUT_MS", 3_000, 1..=60_000);
    let timeout = reader.seconds("SCANNER_TIMEOUT_SECONDS", 150, 1..=3_600);
    let address = reader.optional_text(NAME)?;
    let parts = address.rsplit_once(':');
    if !parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)) {
        reader.fault(
            NAME,
            format!("is {address:?}"),
            "set clamd's host:port, such as 127.0.0.1:3310",
        );
    }
    Some(ClamdSettings {
        address,
        connect_timeout,
        timeout,
    })
}

fn thumbnails(reader: &mut ConfigReader) -> ThumbnailLimits {
    let default = ThumbnailLimits::default();
    let input = default.max_input_bytes;
    ThumbnailLimits {
        at_once: reader.number("THUMBNAILS_AT_ONCE", default.at_once, 1..=64),
        max_input_bytes: reader.number("THUMBNAIL_MAX_INPUT_BYTES", input, 0..=1_073_741_824),
        max_pixels: reader.number("THUMBNAIL_MAX_PIXELS", default.max_pixels, 1..=500_000_000),
    }
}

/// The delays that the topics are named after, unless others are set.
fn retry_delays(reader: &mut ConfigReader) -> [Duration; UPLOAD_RETRIES.len()] {
    const NAME: &str = "UPLOAD_RETRY_DELAYS_SECONDS";
    let declared = UPLOAD_RETRIES.map(|(_, seconds)| seconds);
    let Some(text) = reader.optional_text(NAME) else {
        return declared.map(Duration::from_secs);
    };
    let parsed: Result<Vec<u64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let delays = parsed.ok().and_then(|delays| delays.try_into().ok());
    let delays = delays.filter(|delays: &[u64; UPLOAD_RETRIES.len()]| {
        delays.is_sorted() && delays.iter().all(|seconds| (1..=604_800).contains(seconds))
    });
    if delays.is_none() {
        let fix = format!(
            "set {} whole numbers from 1 to 604800 that do not fall, with commas between them",
            UPLOAD_RETRIES.len()
        );
        reader.fault(NAME, format!("is {text:?}"), fix);
    }
    delays.unwrap_or(declared).map(Duration::from_secs)
}
