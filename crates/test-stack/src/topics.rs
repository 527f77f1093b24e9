use std::time::Duration;

use anyhow::{Context, Result, bail};
use depot_schemas::topics::Topics;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{settings, unique_name, wait_until};

const TIMEOUT: Duration = Duration::from_secs(60);

/// All declared topics under a prefix of this test's own, deleted with the value.
pub struct TestTopics {
    prefix: String,
    partitions: String,
    admin: AdminClient<DefaultClientContext>,
}

impl TestTopics {
    /// Creates the declared topics, each with `partitions` partitions: few where a test needs no more, since a test
    /// broker holds the topics of many tests.
    pub async fn create(partitions: i32) -> Result<Self> {
        Self::create_on(settings().kafka_brokers(), partitions).await
    }

    /// As `create`, on brokers of the test's own.
    pub async fn create_on(brokers: &str, partitions: i32) -> Result<Self> {
        let prefix = unique_name();
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
        let specs = Topics::new(&prefix).declared_with(partitions);
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
        let names: Vec<_> = specs.into_iter().map(|spec| spec.name).collect();
        wait_until_led(brokers, &names, partitions).await;
        Ok(Self {
            prefix,
            partitions: partitions.to_string(),
            admin,
        })
    }

    /// For `TOPIC_PREFIX`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// For `TOPIC_PARTITIONS`.
    pub fn partitions(&self) -> &str {
        &self.partitions
    }

    pub fn names(&self) -> Topics {
        Topics::new(&self.prefix)
    }
}

/// Waits until topics that were just created can be used, with so many partitions each.
pub async fn wait_until_led(brokers: &str, topics: &[String], partitions: i32) {
    wait_until("the new partitions have a leader that knows it is one", || {
        let (brokers, topics) = (brokers.to_owned(), topics.to_owned());
        async move {
            let led = tokio::task::spawn_blocking(move || are_led(&brokers, &topics, partitions));
            led.await.is_ok_and(|led| led)
        }
    })
    .await;
}

/// Whether every partition's offsets can be asked for. A topic is created as soon as the controller has decided it; on a busy
/// machine its partitions' broker refuses what it is asked for a while longer.
fn are_led(brokers: &str, topics: &[String], partitions: i32) -> bool {
    let mut asked = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..partitions {
            // Any moment does.
            let added = asked.add_partition_offset(topic, partition, Offset::Offset(0));
            if added.is_err() {
                return false;
            }
        }
    }
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "depot-test-topics")
        .create::<BaseConsumer>();
    let answer = consumer.and_then(|consumer| consumer.offsets_for_times(asked, TIMEOUT));
    answer.is_ok_and(|list| list.elements().iter().all(|element| element.error().is_ok()))
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
