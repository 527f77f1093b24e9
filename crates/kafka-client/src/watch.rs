//! Whether Kafka answers, asked once a second by a client of its own.
//!
//! Clients that have work find out late: a broker that is stopped keeps its connections, and requests to it run for a minute
//! before they have failed; one that has gone is told only to who has something to send.

use std::{sync::Arc, time::Duration};

use metrics::{Unit, describe_gauge, gauge};
use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ClosedApart;

const UP: &str = "depot_kafka_up";
const ANSWER_SECONDS: &str = "depot_kafka_answer_seconds";
/// Between the end of a question and the next one.
const REST: Duration = Duration::from_millis(700);
/// An answer takes a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(800);

/// There is no client that could ask.
#[derive(Debug, thiserror::Error)]
#[error("no client can be made that asks whether Kafka answers: check the settings of Kafka")]
pub struct BrokerWatchError(#[from] KafkaError);

/// A client that asks, and is a member of no group.
pub struct BrokerWatch {
    client: Arc<ClosedApart<BaseConsumer>>,
    topic: Arc<str>,
}

impl BrokerWatch {
    /// Opens no connection yet. What is asked for is the leaders of `topic`, which any broker knows.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(
        brokers: &str,
        settings: impl IntoIterator<Item = (String, String)>,
        topic: String,
    ) -> Result<Self, BrokerWatchError> {
        describe_gauge!(
            UP,
            Unit::Count,
            "1 while Kafka answers this process, asked once a second."
        );
        describe_gauge!(
            ANSWER_SECONDS,
            Unit::Seconds,
            "How long Kafka took for its last answer to that question."
        );
        let mut config = ClientConfig::new();
        for (name, value) in settings {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", brokers)
            .set("socket.timeout.ms", "2000")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "500")
            .set("log.connection.close", "false")
            // What it cannot reach is told by the clients that have work, and by the gauge.
            .set_log_level(RDKafkaLogLevel::Emerg);
        let client: BaseConsumer = config.create()?;
        Ok(Self {
            client: Arc::new(ClosedApart::new(client)),
            topic: topic.into(),
        })
    }

    /// Asks until cancelled. While Kafka was never asked there is no gauge.
    pub async fn run(self, stop: CancellationToken) {
        let mut was_up = true;
        while let Some(answer) = stop.run_until_cancelled(self.ask()).await {
            match &answer {
                Ok(took) => {
                    gauge!(UP).set(1.0);
                    gauge!(ANSWER_SECONDS).set(took.as_secs_f64());
                }
                Err(cause) => {
                    gauge!(UP).set(0.0);
                    if was_up {
                        tracing::warn!(cause, "Kafka does not answer");
                    }
                }
            }
            was_up = answer.is_ok();
            stop.run_until_cancelled(sleep(REST)).await;
        }
    }

    /// How long the answer took.
    ///
    /// # Errors
    /// Why there was none, in words.
    async fn ask(&self) -> Result<Duration, String> {
        let (client, topic) = (Arc::clone(&self.client), Arc::clone(&self.topic));
        let asked = Instant::now();
        // It blocks for as long as it waits.
        let asking = tokio::task::spawn_blocking(move || client.fetch_metadata(Some(&topic), PATIENCE));
        match asking.await {
            Ok(Ok(_)) => Ok(asked.elapsed()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(ended) => Err(format!("the question was not asked to the end: {ended}")),
        }
    }
}

impl std::fmt::Debug for BrokerWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerWatch")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_broker_that_is_away_is_told_within_a_second() {
        // Nothing listens on port 1.
        let watch = BrokerWatch::new("127.0.0.1:1", [], "t".to_owned()).unwrap();
        let asked = Instant::now();
        assert!(watch.ask().await.is_err());
        assert!(asked.elapsed() < Duration::from_secs(1));
    }
}
