//! Logs and traces.
//!
//! Log lines are JSON in production and readable in development; both carry the ids of trace and span. Spans get ids and are
//! propagated (W3C Trace Context) whether or not a collector is configured; they are exported when one is, and then the spans
//! of `depot_spans` are told too.
//!
//! Never logged: tokens and other headers, query strings, bodies, presigned URLs, configuration values.

mod format;
mod process_span;
mod propagation;
mod request_span;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{AppEnv, TelemetryConfig};

pub use process_span::{Message, process_failed, process_span};
pub use propagation::{
    TraceHeaders, add_link_from, current_trace_headers, current_trace_id, current_traceparent,
    set_parent_from,
};
pub use request_span::{RequestSpan, request_span};

const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `LOG_LEVEL`.
    #[error("LOG_LEVEL is not a list of log directives")]
    LogLevel(#[source] ParseError),
    /// The exporter refuses its endpoint.
    #[error("the OTLP exporter for {endpoint} cannot be built")]
    Exporter {
        /// The configured endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: ExporterBuildError,
    },
    /// A subscriber is installed already.
    #[error("a log subscriber is installed in this process already")]
    AlreadyInstalled(#[source] TryInitError),
}

/// Owns what must be flushed at the end.
#[derive(Debug)]
#[must_use = "spans that are not flushed by shutdown are lost"]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Starts logs and traces for the process. Call it once, inside the runtime.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(service: &'static str, config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&config.log_level).map_err(TelemetryError::LogLevel)?;
    let provider = tracer_provider(service, config)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());

    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stdout);
    let logs = match config.app_env {
        AppEnv::Production => logs
            .json()
            .event_format(format::JsonLine::new(service))
            .with_ansi(false)
            .with_filter(filter)
            .boxed(),
        AppEnv::Development | AppEnv::Test => logs
            .event_format(format::ReadableLine::default())
            .with_filter(filter)
            .boxed(),
    };
    // The level of traces does not follow the level of logs: a quiet log still has whole traces.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("depot"))
        .with_location(false)
        .with_threads(false)
        // How long a span waited would be two more looks at the clock for each poll of each request.
        .with_tracked_inactivity(false)
        .with_filter(LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(spans)
        .with(logs)
        .try_init()
        .map_err(TelemetryError::AlreadyInstalled)?;
    if config.otlp_endpoint.is_some() {
        depot_spans::record_by(&provider);
    }
    Ok(Telemetry { provider })
}

fn tracer_provider(
    service: &'static str,
    config: &TelemetryConfig,
) -> Result<SdkTracerProvider, TelemetryError> {
    let builder =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name(service).build());
    let Some(endpoint) = &config.otlp_endpoint else {
        // Ids are still made and handed on; a caller's decision to record is handed on too.
        return Ok(builder
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
            .build());
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|source| TelemetryError::Exporter {
            endpoint: endpoint.clone(),
            source,
        })?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
    Ok(builder
        .with_sampler(sampler)
        .with_batch_exporter(exporter)
        .build())
}

impl Telemetry {
    /// Sends what is left, for at most 5 seconds. Call it last.
    pub async fn shutdown(self) {
        let provider = self.provider;
        // The provider blocks while it waits for its exporter.
        let flushed =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_TIMEOUT)).await;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not exported"),
            Err(error) => tracing::warn!(%error, "the last spans were not exported"),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Tracer as _;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_is_away_does_not_hold_up_the_end() {
        let config = TelemetryConfig {
            app_env: AppEnv::Test,
            log_level: "off".to_owned(),
            // Nothing listens on port 1.
            otlp_endpoint: Some("http://127.0.0.1:1".to_owned()),
            sample_ratio: 1.0,
        };
        let provider = tracer_provider("test", &config).unwrap();
        provider.tracer("test").in_span("lost", |_context| {});
        let ended = tokio::time::timeout(Duration::from_secs(60), Telemetry { provider }.shutdown()).await;
        assert!(ended.is_ok(), "the end waits for a collector that is away");
    }
}
