//! What this process tells of itself to who shows the whole.

use depot_service::heartbeat::{Figure, Vitals};

use crate::config::Config;

const FIGURES: &[Figure] = &[
    Figure::sum("depot_consumer_records_total").by(&["outcome"]),
    Figure::histogram("depot_projector_visible_delay_seconds"),
    Figure::max("depot_projector_cache_up"),
    Figure::max("depot_projector_cache_pending_rows"),
    Figure::sum("depot_consumer_lag_messages").by(&["group"]),
    Figure::max("depot_consumer_lag_seconds").by(&["group"]),
    Figure::sum("depot_consumer_stopped_partitions").by(&["group"]),
    Figure::max("depot_kafka_up"),
    Figure::max("depot_kafka_answer_seconds"),
];

pub fn vitals(config: &Config) -> Vitals {
    let settings = vec![
        (
            "DATABASE_MAX_CONNECTIONS",
            config.database.max_connections.to_string(),
        ),
        ("TOPIC_PREFIX", config.kafka.topic_prefix.clone()),
        ("PROJECTION_LANES", config.lanes.to_string()),
        ("PROJECTION_BATCH_RECORDS", config.batch_records.to_string()),
    ];
    Vitals {
        service: "projector",
        figures: FIGURES,
        settings,
    }
}
