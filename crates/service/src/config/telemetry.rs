//! `APP_ENV`, `LOG_LEVEL`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER_ARG`.

use tracing_subscriber::EnvFilter;

use super::{AppEnv, ConfigReader};

/// Logs and traces.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// Decides the format of log lines.
    pub app_env: AppEnv,
    /// A level, or directives such as `info,depot_outbox=debug`.
    pub log_level: String,
    /// A collector's gRPC endpoint; spans are exported only when it is set.
    pub otlp_endpoint: Option<String>,
    /// The share of new traces that are recorded, 0 to 1; a caller's decision is kept.
    pub sample_ratio: f64,
}

impl TelemetryConfig {
    /// Reads the group.
    pub fn read(reader: &mut ConfigReader) -> Self {
        let log_level = reader.text("LOG_LEVEL", "info");
        if EnvFilter::try_new(&log_level).is_err() {
            let fix = "set error, warn, info, debug or trace, or directives such as info,depot_outbox=debug";
            reader.fault("LOG_LEVEL", format!("`{log_level}` cannot be used"), fix);
        }
        Self {
            app_env: reader.app_env(),
            log_level,
            otlp_endpoint: reader.optional_url("OTEL_EXPORTER_OTLP_ENDPOINT"),
            sample_ratio: reader.number("OTEL_TRACES_SAMPLER_ARG", 1.0, 0.0..=1.0),
        }
    }
}
