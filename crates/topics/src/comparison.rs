//! Topics as they are, against their declaration. The one rule for `depot topics` and for services.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use depot_kafka_client::ClosedApart;
use depot_schemas::topics::TopicSpec;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigEntry, ResourceSpecifier},
    client::DefaultClientContext,
    error::KafkaError,
    types::RDKafkaErrorCode,
};

/// How a topic differs from its declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// There is no such topic.
    Absent,
    /// The user may not see it or its settings.
    Hidden,
    /// Another number of partitions. One that is too large is a fault as well: keys have moved, if the topic was grown.
    Partitions { actual: usize, declared: i32 },
    /// A setting with another value.
    Setting {
        name: &'static str,
        actual: String,
        declared: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is not there"),
            Self::Hidden => f.write_str("may not be described by this user"),
            Self::Partitions { actual, declared } => {
                write!(f, "has {actual} partitions instead of {declared}")
            }
            Self::Setting {
                name,
                actual,
                declared,
            } => write!(f, "has {name} {actual} instead of {declared}"),
        }
    }
}

/// What the metadata say of a topic.
enum Partitions {
    Of(usize),
    Absent,
    Hidden,
}

/// Looks at topics.
pub struct Comparison {
    admin: Arc<ClosedApart<AdminClient<DefaultClientContext>>>,
    limit: Duration,
}

impl Comparison {
    /// Looks by a client with these settings. Each request to Kafka may take as long as `limit`.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn new(mut client: ClientConfig, limit: Duration) -> Result<Self, KafkaError> {
        // Whoever asks for the metadata of a topic that is not there makes it, where the broker does such.
        client.set("allow.auto.create.topics", "false");
        let admin = Arc::new(ClosedApart::new(client.create()?));
        Ok(Self { admin, limit })
    }

    /// Every difference of every topic, in the topics' order. Nothing is created or changed.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn differences(&self, specs: &[TopicSpec]) -> Result<Vec<(TopicSpec, Difference)>, KafkaError> {
        if specs.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = specs
            .iter()
            .map(|spec| ResourceSpecifier::Topic(&spec.name))
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(self.limit))
            .operation_timeout(Some(self.limit));
        let described = self.admin.describe_configs(&resources, &options).await?;
        let mut differences = Vec::new();
        for (spec, described) in specs.iter().zip(described) {
            let found = match self.partitions(spec).await? {
                Partitions::Absent => vec![Difference::Absent],
                Partitions::Hidden => vec![Difference::Hidden],
                Partitions::Of(actual) => {
                    let entries = described.map(|resource| resource.entries).unwrap_or_default();
                    of_topic(spec, actual, entries)
                }
            };
            differences.extend(found.into_iter().map(|difference| (spec.clone(), difference)));
        }
        Ok(differences)
    }

    async fn partitions(&self, spec: &TopicSpec) -> Result<Partitions, KafkaError> {
        let (admin, limit, name) = (Arc::clone(&self.admin), self.limit, spec.name.clone());
        let fetched =
            tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(Some(&name), limit)).await;
        // The thread only ends early when the runtime does.
        let metadata = fetched.map_err(|_| KafkaError::Canceled)??;
        let Some(topic) = metadata.topics().first() else {
            return Ok(Partitions::Absent);
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => Ok(Partitions::Of(topic.partitions().len())),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Ok(Partitions::Absent)
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Ok(Partitions::Hidden),
            Some(code) => Err(KafkaError::MetadataFetch(code)),
        }
    }
}

/// The client tells of a topic whose settings may not be described by saying that it has none.
fn of_topic(spec: &TopicSpec, actual: usize, entries: Vec<ConfigEntry>) -> Vec<Difference> {
    let declared = spec.partitions;
    let other = usize::try_from(declared) != Ok(actual);
    let partitions = other.then_some(Difference::Partitions { actual, declared });
    let settings = if entries.is_empty() {
        vec![Difference::Hidden]
    } else {
        settings(spec, entries)
    };
    partitions.into_iter().chain(settings).collect()
}

fn settings(spec: &TopicSpec, entries: Vec<ConfigEntry>) -> Vec<Difference> {
    let entries = entries.into_iter().map(|entry| (entry.name, entry.value));
    let actual: HashMap<String, Option<String>> = entries.collect();
    let different = spec.settings().into_iter().filter_map(|(name, declared)| {
        let actual = actual.get(name).cloned().flatten().unwrap_or_default();
        (actual != declared).then_some(Difference::Setting {
            name,
            actual,
            declared,
        })
    });
    different.collect()
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
