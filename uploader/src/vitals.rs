//! What this process tells of itself to who shows the whole.

use depot_service::heartbeat::{Figure, Vitals};

use crate::config::Config;

const FIGURES: &[Figure] = &[
    Figure::sum("depot_uploader_files_total").by(&["outcome"]),
    Figure::sum("depot_uploader_stored_bytes_total"),
    Figure::sum("depot_outbox_unpublished_rows"),
    Figure::max("depot_outbox_oldest_unpublished_seconds"),
    Figure::sum("depot_outbox_parked_aggregates"),
    Figure::sum("depot_outbox_published_total"),
    Figure::sum("depot_outbox_shards_held"),
    Figure::max("depot_outbox_epoch_max"),
    Figure::sum("depot_consumer_lag_messages").by(&["group"]),
    Figure::max("depot_consumer_lag_seconds").by(&["group"]),
    Figure::sum("depot_consumer_stopped_partitions").by(&["group"]),
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
        ("TOPIC_PREFIX", config.kafka.topic_prefix.clone()),
        ("UPLOAD_CONCURRENCY", config.concurrency.to_string()),
        ("S3_BUCKET", config.s3.bucket.clone()),
        ("S3_STAGING_BUCKET", config.s3.staging_bucket.clone()),
        ("SCANNER", config.scanner.is_some().to_string()),
    ];
    Vitals {
        service: "uploader",
        figures: FIGURES,
        settings,
    }
}
