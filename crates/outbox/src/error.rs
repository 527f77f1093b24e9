use std::time::Duration;

use crate::snapshot::InvalidSnapshot;

/// Why a relay cannot go on at the moment. All but `OtherCluster` pass by themselves: the relay tries again.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the outbox's database failed to {what}; the relay tries again")]
    Store {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("the outbox's database did not {what} within {limit:?}; the relay tries again")]
    Timeout { what: &'static str, limit: Duration },
    #[error("the outbox's database answered a snapshot that cannot be read")]
    Snapshot(#[from] InvalidSnapshot),
    #[error("no Kafka producer could be made; check the brokers and the client's settings")]
    Producer(#[source] rdkafka::error::KafkaError),
    #[error("topic {topic} cannot be used; create it with the topics step, or see whether Kafka is up")]
    Topic {
        topic: String,
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Transaction ids of one cluster say nothing in another: rows would be lost or published for ever.
    #[error(
        "the outbox comes from the Postgres cluster {stored}, this is {actual}: nothing is published until the owner \
         of the schema has called outbox_rebase() (publishes what the outbox holds again)"
    )]
    OtherCluster { stored: i64, actual: i64 },
}

impl RelayError {
    /// What kept the relay from going on, as the metrics name it.
    pub(crate) fn dependency(&self) -> &'static str {
        match self {
            Self::Store { .. } | Self::Timeout { .. } | Self::Snapshot(_) | Self::OtherCluster { .. } => {
                "postgres"
            }
            Self::Producer(_) | Self::Topic { .. } => "kafka",
        }
    }
}
