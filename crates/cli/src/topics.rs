use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use depot_schemas::topics::{PARTITIONS, TopicSpec, Topics};
use depot_service::config::KafkaConfig;
use depot_topics::{Comparison, LogEnds};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    output::{self, NOT_DONE},
    settings,
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Until every broker knows of a topic that was created.
const SPREADS_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);

/// Creates what is missing; what is there is compared with the declaration and never changed: a keyed topic cannot
/// grow in place, and a shorter retention has already lost what it lost.
pub async fn run(is_json: bool) -> ExitCode {
    match created_and_compared().await {
        Ok((topics, faults)) if faults.is_empty() => {
            output::finish(is_json, Ok(json!({ "topics": topics })), |_| text(&topics))
        }
        Ok((topics, faults)) => {
            if !is_json {
                // What was created is told all the same; that nobody reads it is no further fault.
                drop(output::write(&text(&topics)));
            }
            let error = format!("topics differ from their declaration:\n  {}", faults.join("\n  "));
            let topics = Map::from_iter([("topics".to_owned(), Value::from(topics))]);
            output::fail_with(is_json, &error, NOT_DONE, topics)
        }
        Err(error) => output::fail(is_json, &format!("{error:#}"), NOT_DONE),
    }
}

/// A line each.
fn text(topics: &[Value]) -> String {
    let line = |topic: &Value| {
        let state = if topic["is_created"] == true {
            "created"
        } else {
            "was there"
        };
        let name = topic["name"].as_str().unwrap_or_default();
        format!("{name:<32} {} partitions  {state}\n", topic["partitions"])
    };
    topics.iter().map(line).collect()
}

/// Every declared topic, and in what topics differ from their declaration.
async fn created_and_compared() -> anyhow::Result<(Vec<Value>, Vec<String>)> {
    let (kafka, replication, min_insync) = settings::read(|reader| {
        let kafka = KafkaConfig::read(reader);
        let replication = reader.number("KAFKA_REPLICATION_FACTOR", 1, 1..=9);
        let min_insync = reader.number(
            "KAFKA_MIN_INSYNC_REPLICAS",
            (replication - 1).max(1),
            1..=replication,
        );
        (kafka, replication, min_insync)
    })?;
    let client = settings::kafka_client(&kafka);
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    let partitions = kafka.topic_partitions.unwrap_or(PARTITIONS);
    let specs = Topics::new(&kafka.topic_prefix).declared_with(partitions);
    let created = create(&admin, &specs, replication, min_insync).await?;
    let comparison = Comparison::new(client, TIMEOUT)?;
    let faults = match created.contains(&true) {
        true => {
            let faults = compare_once_known(&comparison, &specs).await?;
            wait_until_led(&LogEnds::new(&kafka)?, &specs).await?;
            faults
        }
        false => compare(&comparison, &specs).await?,
    };
    let topics = specs.iter().zip(created).map(|(spec, is_created)| {
        json!({ "name": spec.name, "partitions": spec.partitions, "is_created": is_created })
    });
    Ok((topics.collect(), faults))
}

/// For each topic, whether it was created now.
async fn create(
    admin: &AdminClient<DefaultClientContext>,
    specs: &[TopicSpec],
    replication: i32,
    min_insync: i32,
) -> anyhow::Result<Vec<bool>> {
    let min_insync = min_insync.to_string();
    let settings: Vec<_> = specs.iter().map(TopicSpec::settings).collect();
    let topics: Vec<_> = specs
        .iter()
        .zip(&settings)
        .map(|(spec, settings)| {
            let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(replication))
                .set("min.insync.replicas", &min_insync);
            settings
                .iter()
                .fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let results = admin
        .create_topics(&topics, &options())
        .await
        .context("create topics: does Kafka run?")?;
    results
        .into_iter()
        .map(|result| match result {
            Ok(_) => Ok(true),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(false),
            Err((topic, code)) => bail!("topic {topic} cannot be created: {code}"),
        })
        .collect()
}

/// A broker that is asked right after the controller made a topic may not have heard of it.
async fn compare_once_known(comparison: &Comparison, specs: &[TopicSpec]) -> anyhow::Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let faults = compare(comparison, specs).await;
        let is_settled = faults.as_ref().is_ok_and(Vec::is_empty);
        if is_settled || begun.elapsed() > SPREADS_WITHIN {
            return faults;
        }
        sleep(PAUSE).await;
    }
}

/// A topic is created as soon as the controller has decided it. What asks for a partition before its broker leads it is refused,
/// and whoever ran this step may go on with the next one at once.
async fn wait_until_led(ends: &LogEnds, specs: &[TopicSpec]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    while let Err(error) = ends.read(names.clone()).await {
        if begun.elapsed() > SPREADS_WITHIN {
            return Err(error).context(
                "the topics are made, and not all partitions have a leader: does every broker run?",
            );
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn compare(comparison: &Comparison, specs: &[TopicSpec]) -> anyhow::Result<Vec<String>> {
    let differences = comparison.differences(specs).await;
    let differences = differences.context("look at the topics")?;
    Ok(differences
        .iter()
        .map(|(spec, difference)| format!("{} {difference}", spec.name))
        .collect())
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT))
}
