//! Configuration from the environment, checked at start: all faults are reported at once, secrets are never printed.
//!
//! ```no_run
//! use depot_service::config::{ConfigReader, DatabaseConfig, Environment, HttpConfig};
//!
//! let mut reader = ConfigReader::new(Environment::for_service("COMMAND_API"));
//! let http = HttpConfig::read(&mut reader, 8080);
//! let database = DatabaseConfig::read(&mut reader, "command");
//! let quota_bytes = reader.number("DEFAULT_QUOTA_BYTES", 10_737_418_240_u64, 0..=u64::MAX);
//! reader.finish()?;
//! # Ok::<(), depot_service::config::ConfigErrors>(())
//! ```

mod database;
mod environment;
mod errors;
mod http;
mod jwt;
mod kafka;
mod object_store;
mod process;
mod rate_limit;
mod reader;
mod redis;
mod telemetry;
mod tls;

pub use database::{DatabaseConfig, DatabaseTls};
pub use environment::{AppEnv, Environment};
pub use errors::{ConfigErrors, ConfigFault};
pub use http::HttpConfig;
pub use jwt::{DEVELOPMENT_JWT_SECRET, JwtConfig, KeySource, KeysConfig};
pub use kafka::{KafkaConfig, KafkaSecurity};
pub use object_store::S3Config;
pub use process::ProcessConfig;
pub use rate_limit::RateLimitConfig;
pub use reader::ConfigReader;
pub use redis::RedisConfig;
pub use telemetry::TelemetryConfig;
pub use tls::{PemIdentity, TlsFiles};
