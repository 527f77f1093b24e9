//! Why a consumer can't start or has stopped.

use rdkafka::error::KafkaError;

use crate::handler::BoxError;

/// An error that ends a consumer. Everything else is retried, dead-lettered or reported in the status.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The settings can't work.
    #[error("consumer group {group}: {message}")]
    Settings {
        /// The group.
        group: String,
        /// Which setting, and what it must be.
        message: String,
    },
    /// The Kafka client could not be made: a setting that it refuses.
    #[error("create the Kafka client of {owner}; check the settings passed to it")]
    Client {
        /// The consumer group, or `dead letters`.
        owner: String,
        /// The client's own error.
        #[source]
        source: Box<KafkaError>,
    },
    /// The subscription was refused.
    #[error("subscribe group {group} to {topics}")]
    Subscribe {
        /// The group.
        group: String,
        /// The topics, comma-separated.
        topics: String,
        /// The client's own error.
        #[source]
        source: Box<KafkaError>,
    },
    /// The client met an error that it can't recover from, such as being fenced by another member of its identity.
    #[error("consumer group {group}: the Kafka client failed for good; restart the process")]
    ClientFailed {
        /// The group.
        group: String,
        /// The client's own error.
        #[source]
        source: Box<KafkaError>,
    },
    /// The broker does not serve groups by the protocol that the settings name.
    #[error(
        "consumer group {group}: the broker does not serve this group protocol; let `group.coordinator.rebalance.protocols` have \
         `consumer`, and upgrade the feature `group.version` to 1, which Apache Kafka 4.0 and newer have"
    )]
    GroupProtocol {
        /// The group.
        group: String,
        /// The client's own error.
        #[source]
        source: Box<KafkaError>,
    },
    /// A handler answered [`crate::Failure::Fatal`].
    #[error("group {group}, {topic} [{partition}] at offset {offset}: {message}")]
    Handler {
        /// The group.
        group: String,
        /// The record's topic.
        topic: String,
        /// The record's partition.
        partition: i32,
        /// The record's offset; of a batch, its first.
        offset: i64,
        /// The handler's message.
        message: String,
        /// The handler's cause.
        #[source]
        source: Option<BoxError>,
    },
    /// A task or thread of the consumer itself failed, which is a bug.
    #[error("consumer group {group}: {message}")]
    Internal {
        /// The group.
        group: String,
        /// What failed.
        message: String,
    },
}

/// An error and its causes on one line, for logs and statuses.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::chain;
    use crate::Failure;

    #[test]
    fn an_error_is_told_with_all_its_causes_on_one_line() {
        let refused = std::io::Error::other("connection refused");
        let asked = Failure::transient("ask the store", refused);
        assert_eq!(chain(&asked), "ask the store: connection refused");
        let stored = Failure::fatal("store a batch", asked);
        assert_eq!(chain(&stored), "store a batch: ask the store: connection refused");
    }
}
