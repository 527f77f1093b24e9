//! Topics as they are, against their declaration. The one rule for `depot topics` and for services.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use depot_schemas::topics::TopicSpec;
use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier},
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

/// Looks at topics. Cheap to clone.
#[derive(Clone)]
pub struct Comparison {
    admin: Arc<AdminClient<DefaultClientContext>>,
    limit: Duration,
}

impl Comparison {
    /// Each request to Kafka may take as long as `limit`.
    #[must_use]
    pub fn new(admin: Arc<AdminClient<DefaultClientContext>>, limit: Duration) -> Self {
        Self { admin, limit }
    }

    /// Every difference of every topic, in the topics' order. Nothing is created or changed.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn differences(&self, specs: &[TopicSpec]) -> Result<Vec<(TopicSpec, Difference)>, KafkaError> {
        if specs.is_empty() {
            return Ok(Vec::new());
        }
        // Settings first: asking for the metadata of a topic that is not there creates it, where the broker does such.
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
            let found = match described {
                Ok(resource) => {
                    let mut found = self.partitions(spec).await?;
                    found.extend(settings(spec, resource));
                    found
                }
                Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                    vec![Difference::Absent]
                }
                Err(RDKafkaErrorCode::TopicAuthorizationFailed) => vec![Difference::Hidden],
                Err(code) => return Err(KafkaError::AdminOp(code)),
            };
            differences.extend(found.into_iter().map(|difference| (spec.clone(), difference)));
        }
        Ok(differences)
    }

    async fn partitions(&self, spec: &TopicSpec) -> Result<Vec<Difference>, KafkaError> {
        let (admin, limit, name) = (Arc::clone(&self.admin), self.limit, spec.name.clone());
        let fetched =
            tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(Some(&name), limit)).await;
        // The thread only ends early when the runtime does.
        let metadata = fetched.map_err(|_| KafkaError::Canceled)??;
        let topic = metadata.topics().first();
        let actual = topic.map_or(0, |topic| topic.partitions().len());
        let declared = spec.partitions;
        Ok(
            match topic.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from) {
                Some(RDKafkaErrorCode::TopicAuthorizationFailed) => vec![Difference::Hidden],
                // Deleted since its settings were described, or created and not known to every broker yet.
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                    vec![Difference::Absent]
                }
                Some(code) => return Err(KafkaError::MetadataFetch(code)),
                None if usize::try_from(declared).is_ok_and(|declared| declared == actual) => Vec::new(),
                None => vec![Difference::Partitions { actual, declared }],
            },
        )
    }
}

fn settings(spec: &TopicSpec, resource: ConfigResource) -> Vec<Difference> {
    let actual: HashMap<String, Option<String>> = resource
        .entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect();
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
