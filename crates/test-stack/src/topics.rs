use std::time::Duration;

use anyhow::{Context, Result, bail};
use depot_schemas::topics::Topics;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use crate::{settings, unique_name};

const TIMEOUT: Duration = Duration::from_secs(60);

/// All declared topics under a prefix of this test's own, deleted with the value.
pub struct TestTopics {
    prefix: String,
    admin: AdminClient<DefaultClientContext>,
}

impl TestTopics {
    /// Creates the declared topics, each with `partitions` partitions: few where a test needs no more, since a test
    /// broker holds the topics of many tests.
    pub async fn create(partitions: i32) -> Result<Self> {
        let prefix = unique_name();
        let admin: AdminClient<_> = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .create()?;
        let specs = Topics::new(&prefix).declared();
        let settings: Vec<_> = specs.iter().map(|spec| spec.settings()).collect();
        let topics: Vec<_> = specs
            .iter()
            .zip(&settings)
            .map(|(spec, settings)| {
                let topic = NewTopic::new(&spec.name, partitions, TopicReplication::Fixed(1));
                settings
                    .iter()
                    .fold(topic, |topic, (name, value)| topic.set(name, value))
            })
            .collect();
        let options = AdminOptions::new()
            .operation_timeout(Some(TIMEOUT))
            .request_timeout(Some(TIMEOUT));
        for created in admin
            .create_topics(&topics, &options)
            .await
            .context("create the test's topics")?
        {
            if let Err((topic, code)) = created {
                bail!("topic {topic} was not created: {code}");
            }
        }
        Ok(Self { prefix, admin })
    }

    /// For `TOPIC_PREFIX`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn names(&self) -> Topics {
        Topics::new(&self.prefix)
    }
}

impl Drop for TestTopics {
    fn drop(&mut self) {
        let specs = self.names().declared();
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        // The admin client works on a thread of its own, so that waiting here is enough.
        let deleted = self
            .admin
            .delete_topics(&names, &AdminOptions::new().request_timeout(Some(TIMEOUT)));
        if let Err(error) = futures::executor::block_on(deleted) {
            eprintln!("topics of {} are left behind: {error}", self.prefix);
        }
    }
}
