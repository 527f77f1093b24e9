//! What this process tells of itself to who shows the whole.

use depot_service::heartbeat::{Figure, Vitals};

use crate::{application::NAME, config::Config};

/// Commands come by these; what is read here is read by operators.
const WRITES: &[&str] = &["POST", "PUT", "PATCH", "DELETE", "gRPC"];

const FIGURES: &[Figure] = &[
    Figure::sum("depot_requests_total").only("method", WRITES),
    Figure::histogram("depot_request_latency_seconds").only("method", WRITES),
    Figure::sum("depot_errors_total").by(&["component"]),
    Figure::sum("depot_outbox_unpublished_rows"),
    Figure::max("depot_outbox_oldest_unpublished_seconds"),
    Figure::sum("depot_outbox_parked_aggregates"),
    Figure::sum("depot_outbox_published_total"),
    Figure::sum("depot_outbox_shards_held"),
    Figure::max("depot_outbox_epoch_max"),
    Figure::max("depot_sagas_open").by(&["saga", "state"]),
    Figure::sum("depot_saga_moves_total"),
    Figure::max("depot_dead_letters_open").by(&["group", "topic"]),
    Figure::max("depot_dead_letters_oldest_seconds").by(&["group", "topic"]),
    Figure::sum("depot_consumer_lag_messages").by(&["group"]),
    Figure::max("depot_consumer_lag_seconds").by(&["group"]),
    Figure::sum("depot_consumer_stopped_partitions").by(&["group"]),
    Figure::max("depot_breaker_open").by(&["dependency"]),
    Figure::max("depot_object_store_up"),
    Figure::max("depot_object_store_answer_seconds"),
    Figure::max("depot_kafka_up"),
    Figure::max("depot_kafka_answer_seconds"),
];

pub fn vitals(config: &Config) -> Vitals {
    let settings = vec![
        (
            "DATABASE_MAX_CONNECTIONS",
            config.database.max_connections.to_string(),
        ),
        (
            "MAX_CONCURRENT_COMMANDS",
            config.commands.max_commands.to_string(),
        ),
        (
            "COMMAND_GROUP_MAX_SIZE",
            config.commands.group.max_size.to_string(),
        ),
        ("COMMAND_GROUP_LANES", config.commands.group.lanes.to_string()),
        (
            "IDEMPOTENCY_TTL_HOURS",
            config.commands.idempotency_ttl_hours.to_string(),
        ),
        ("RELAY_ENABLED", config.relay_enabled.to_string()),
        ("SAGA_ENABLED", config.saga_enabled.to_string()),
        ("DEAD_LETTERS_ENABLED", config.dead_letters_enabled.to_string()),
        ("TOPIC_PREFIX", config.kafka.topic_prefix.clone()),
        ("MULTIPART_OVER_BYTES", config.multipart_over_bytes.to_string()),
        ("DEFAULT_QUOTA_BYTES", config.default_quota_bytes.to_string()),
    ];
    Vitals {
        service: NAME,
        figures: FIGURES,
        settings,
    }
}
