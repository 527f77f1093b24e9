//! What this process tells of itself to who shows the whole.

use depot_service::heartbeat::{Figure, Vitals};

use crate::config::Config;

/// Asked by machines all the time, whatever people do.
const NO_READS: &[&str] = &[
    "/livez",
    "/readyz",
    "/startupz",
    "/metrics",
    "/heartbeat",
    "/health",
    "/api/v1/health",
    "/api/v1/admin/pipeline",
    "/api/v1/admin/trace/{id}",
    "/console/{*rest}",
    "/console/config.json",
];

const FIGURES: &[Figure] = &[
    Figure::sum("depot_requests_total").except("route", NO_READS),
    Figure::histogram("depot_request_latency_seconds").except("route", NO_READS),
    Figure::sum("depot_query_reads_total").by(&["layer", "outcome"]),
    Figure::sum("depot_watch_streams_open"),
    Figure::max("depot_breaker_open").by(&["dependency"]),
];

pub fn vitals(config: &Config) -> Vitals {
    let settings = vec![
        (
            "DATABASE_MAX_CONNECTIONS",
            config.database.max_connections.to_string(),
        ),
        (
            "DATABASE_SEARCH_MAX_CONNECTIONS",
            config.search_max_connections.to_string(),
        ),
        (
            "LOCAL_CACHE_TTL_MS",
            config.local_cache.ttl.as_millis().to_string(),
        ),
        ("MAX_WAITING_READS", config.max_waiting_reads.to_string()),
        ("MAX_WATCH_STREAMS", config.watch.max_streams.to_string()),
        ("READ_REPLICA", config.read_replica_url.is_some().to_string()),
    ];
    Vitals {
        service: "query-api",
        figures: FIGURES,
        settings,
    }
}
