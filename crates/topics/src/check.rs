//! Kafka as a service needs it: brokers that speak what it speaks, and its topics as they are declared.

use std::{collections::BTreeSet, time::Duration};

use depot_schemas::topics::{PARTITIONS, TopicSpec, Topics};
use depot_service::{
    config::KafkaConfig,
    problem::chain,
    startup::{Check, Finding, NoAnswer},
};
use futures::future::{BoxFuture, join_all};
use rdkafka::{ClientConfig, error::KafkaError};
use tokio::time::timeout;

use crate::{
    api_versions::{self, Needed},
    comparison::{Comparison, Difference},
    connection::{Connector, TlsError},
};

/// For connecting to one broker and its answer, and for one request about topics.
const LIMIT: Duration = Duration::from_secs(20);

/// The check cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum KafkaCheckError {
    #[error("the Kafka client of the start-up checks cannot be made; check the settings of Kafka")]
    Client(#[from] KafkaError),
    #[error("the files for TLS with Kafka cannot be used")]
    Tls(#[from] TlsError),
}

/// Asks brokers and topics.
pub struct KafkaCheck {
    brokers: Vec<String>,
    connector: Connector,
    comparison: Comparison,
    specs: Vec<TopicSpec>,
}

impl KafkaCheck {
    /// Of the declared topics that have these names.
    ///
    /// # Errors
    /// [`KafkaCheckError`]: settings that cannot be used.
    pub fn new(kafka: &KafkaConfig, used: impl IntoIterator<Item = String>) -> Result<Self, KafkaCheckError> {
        let settings = kafka.client_settings().into_iter();
        let client: ClientConfig = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        let used: BTreeSet<String> = used.into_iter().collect();
        let partitions = kafka.topic_partitions.unwrap_or(PARTITIONS);
        let mut specs = Topics::new(&kafka.topic_prefix).declared_with(partitions);
        specs.retain(|spec| used.contains(&spec.name));
        Ok(Self {
            brokers: kafka
                .brokers
                .split(',')
                .map(|broker| broker.trim().to_owned())
                .collect(),
            connector: Connector::new(kafka)?,
            comparison: Comparison::new(client, LIMIT)?,
            specs,
        })
    }

    async fn ask(&self) -> Result<Vec<Finding>, NoAnswer> {
        let mut findings = self.ask_brokers().await?;
        match self.comparison.differences(&self.specs).await {
            Ok(differences) => {
                findings.extend(
                    differences
                        .iter()
                        .map(|(spec, difference)| of_topic(spec, difference)),
                );
            }
            // A broker that is too old may not know how to tell.
            Err(error) if findings.is_empty() => return Err(NoAnswer(chain(&error))),
            Err(_) => {}
        }
        Ok(findings)
    }

    /// All that are named: in a cluster that is being upgraded they differ. One that answers is enough.
    async fn ask_brokers(&self) -> Result<Vec<Finding>, NoAnswer> {
        let asked = self.brokers.iter().map(|broker| async move {
            let ask = async { api_versions::ask(self.connector.connect(broker).await?).await };
            match timeout(LIMIT, ask).await {
                Ok(Ok(understood)) => Ok((broker, understood.lacks())),
                Ok(Err(error)) => Err(format!("{broker}: {error}")),
                Err(_) => Err(format!("{broker}: not within {} s", LIMIT.as_secs())),
            }
        });
        let (answers, silent): (Vec<_>, Vec<_>) = join_all(asked).await.into_iter().partition(Result::is_ok);
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        if answers.is_empty() {
            let reasons: Vec<String> = silent.into_iter().filter_map(Result::err).collect();
            return Err(NoAnswer(reasons.join(", ")));
        }
        let lacking = answers.into_iter().filter(|(_, lacks)| !lacks.is_empty());
        Ok(lacking.map(|(broker, lacks)| of_broker(broker, &lacks)).collect())
    }
}

impl Check for KafkaCheck {
    fn subject(&self) -> &'static str {
        "Kafka"
    }

    fn look(&self) -> BoxFuture<'_, Result<Vec<Finding>, NoAnswer>> {
        Box::pin(self.ask())
    }
}

fn of_broker(broker: &str, lacks: &[Needed]) -> Finding {
    let names: Vec<String> = lacks
        .iter()
        .map(|needed| format!("{} v{}", needed.name, needed.version))
        .collect();
    Finding::wrong(
        format!("Kafka broker {broker}"),
        format!("does not understand {}", names.join(", ")),
        "run Apache Kafka 4.0 or newer, or name other brokers in KAFKA_BROKERS",
    )
}

fn of_topic(spec: &TopicSpec, difference: &Difference) -> Finding {
    let subject = format!("topic {}", spec.name);
    let problem = difference.to_string();
    match difference {
        Difference::Absent => Finding::pending(subject, problem, "run `depot topics`"),
        Difference::Hidden => Finding::pending(
            subject,
            problem,
            "grant DESCRIBE and DESCRIBE_CONFIGS on it to KAFKA_USERNAME",
        ),
        Difference::Partitions { actual, .. } => Finding::wrong(
            subject,
            problem,
            format!(
                "set TOPIC_PARTITIONS={actual} if all topics were made so; otherwise put a topic in its place, since a keyed \
                 one cannot change its number (docs/operations.md)"
            ),
        ),
        Difference::Setting { name, declared, .. } => Finding::wrong(
            subject,
            problem,
            format!("set {name}={declared} on it; what it has deleted meanwhile does not come back"),
        ),
    }
}

impl std::fmt::Debug for KafkaCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaCheck")
            .field("brokers", &self.brokers)
            .field("specs", &self.specs)
            .finish_non_exhaustive()
    }
}
