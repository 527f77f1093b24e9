//! The brokers and the topics: as the services need them, and as copies are to be.

use std::{collections::HashMap, time::Duration};

use depot_kafka_client::ClosedApart;
use depot_schemas::topics::TopicSpec;
use depot_service::{
    problem::chain,
    startup::{Check as _, NoAnswer},
};
use depot_topics::KafkaCheck;
use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    error::KafkaError,
};
use tokio::time::Instant;

use super::{
    answer::Answer,
    finding::{Finding, Kind, listed},
    installation::{Installation, Kafka},
};

/// Of one request.
const LIMIT: Duration = Duration::from_secs(15);
/// For all that is asked topic by topic, so that the tool ends in time.
const ALL: Duration = Duration::from_secs(30);

type Admin = AdminClient<DefaultClientContext>;

pub async fn look(installation: &Installation) -> Answer {
    let Some(kafka) = &installation.kafka else {
        return Answer::unseen("its settings cannot be used");
    };
    let mut answer = match as_services_need_it(kafka).await {
        Ok(answer) => answer,
        Err(NoAnswer(why)) => {
            return Answer::away(Finding::fault(
                Kind::KafkaAway,
                format!("no broker of {} answers: {why}", kafka.config.brokers),
                "start Kafka, or set KAFKA_BROKERS to where it is",
            ));
        }
    };
    match copies(kafka).await {
        Ok(topics) => answer.add(judge(&topics, kafka.replication)),
        Err(error) => answer
            .unseen
            .push(format!("the copies of the topics: {}", chain(&error))),
    }
    answer
}

/// What the services would refuse of the brokers and of all topics, or wait for, if they were started now.
async fn as_services_need_it(kafka: &Kafka) -> Result<Answer, NoAnswer> {
    let names = kafka.specs().into_iter().map(|spec| spec.name);
    let check = KafkaCheck::new(&kafka.config, names).map_err(|error| NoAnswer(chain(&error)))?;
    let found = check.look().await?;
    let findings = found.into_iter();
    Ok(Answer {
        findings: findings
            .map(|finding| Finding::of_startup(Kind::KafkaUnfit, finding))
            .collect(),
        ..Answer::default()
    })
}

/// A topic as its copies are.
struct Topic {
    name: String,
    partitions: Vec<Partition>,
    min_insync: usize,
    /// Whether a copy that has not all of what was acknowledged may become the leader.
    is_unclean: bool,
}

struct Partition {
    id: i32,
    has_leader: bool,
    copies: usize,
    /// Brokers whose copy is behind, or away.
    behind: Vec<i32>,
}

/// Of the topics that are there; that one is not has been told.
async fn copies(kafka: &Kafka) -> Result<Vec<Topic>, KafkaError> {
    let admin: ClosedApart<Admin> = ClosedApart::new(kafka.client().create()?);
    let specs = kafka.specs();
    let resources: Vec<_> = specs
        .iter()
        .map(|spec| ResourceSpecifier::Topic(&spec.name))
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(LIMIT))
        .operation_timeout(Some(LIMIT));
    let described = admin.describe_configs(&resources, &options).await?;
    let settings: Vec<HashMap<String, String>> = described
        .into_iter()
        .map(|resource| {
            let entries = resource
                .map(|resource| resource.entries)
                .unwrap_or_default()
                .into_iter();
            entries
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect()
        })
        .collect();
    let asked = tokio::task::spawn_blocking(move || partitions(&admin, &specs));
    // The thread only ends early when the runtime does.
    let topics = asked.await.map_err(|_| KafkaError::Canceled)??;
    Ok(topics
        .into_iter()
        .zip(settings)
        .filter(|((_, partitions), _)| !partitions.is_empty())
        .map(|((name, partitions), settings)| Topic {
            name,
            partitions,
            min_insync: settings
                .get("min.insync.replicas")
                .and_then(|value| value.parse().ok())
                .unwrap_or(1),
            is_unclean: settings
                .get("unclean.leader.election.enable")
                .is_some_and(|value| value == "true"),
        })
        .collect())
}

fn partitions(admin: &Admin, specs: &[TopicSpec]) -> Result<Vec<(String, Vec<Partition>)>, KafkaError> {
    let end = Instant::now() + ALL;
    let mut topics = Vec::new();
    for spec in specs {
        let left = end.saturating_duration_since(Instant::now());
        let metadata = admin.inner().fetch_metadata(Some(&spec.name), left.min(LIMIT))?;
        let found = metadata.topics().first().map(|topic| topic.partitions());
        let partitions = found.unwrap_or_default().iter().map(|partition| {
            let is_behind = |broker: &&i32| !partition.isr().contains(broker);
            Partition {
                id: partition.id(),
                has_leader: partition.leader() >= 0,
                copies: partition.replicas().len(),
                behind: partition.replicas().iter().filter(is_behind).copied().collect(),
            }
        });
        topics.push((spec.name.clone(), partitions.collect()));
    }
    Ok(topics)
}

fn judge(topics: &[Topic], replication: i32) -> Answer {
    let mut answer = Answer::default();
    let unwritable = |topic: &&Topic, partition: &&Partition| {
        !partition.has_leader || partition.copies - partition.behind.len() < topic.min_insync
    };
    let stuck = places(topics, unwritable);
    if !stuck.is_empty() {
        answer.fault(
            Kind::TopicUnwritable,
            format!(
                "{} take no messages: no leader, or fewer copies in step than min.insync.replicas",
                listed(&stuck)
            ),
            "start the brokers that are away; if min.insync.replicas is above the number of copies, lower it by `kafka-configs.sh \
             --alter --entity-type topics --entity-name TOPIC --add-config min.insync.replicas=…`",
        );
    }
    let behind = places(topics, |_, partition| !partition.behind.is_empty());
    if !behind.is_empty() {
        let brokers = topics.iter().flat_map(|topic| &topic.partitions);
        let mut brokers: Vec<i32> = brokers.flat_map(|partition| partition.behind.clone()).collect();
        brokers.sort_unstable();
        brokers.dedup();
        answer.fault(
            Kind::ReplicasBehind,
            format!("copies of {} on the brokers {brokers:?} are behind or away", listed(&behind)),
            "start these brokers, and see that their disks and their network keep up: they catch up by themselves",
        );
    }
    let unclean = names(topics, |topic| topic.is_unclean);
    if !unclean.is_empty() {
        answer.fault(
            Kind::TopicUnclean,
            format!(
                "{} may be led by a broker that lacks acknowledged messages, which are lost then",
                listed(&unclean)
            ),
            "`kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config \
             unclean.leader.election.enable=false` for each",
        );
    }
    let wanted = usize::try_from(replication).unwrap_or(1);
    let few = names(topics, |topic| {
        topic.partitions.iter().any(|partition| partition.copies < wanted)
    });
    if !few.is_empty() {
        answer.warning(
            Kind::ReplicasFew,
            format!("{} have fewer copies than KAFKA_REPLICATION_FACTOR={wanted}", listed(&few)),
            "give them more by `kafka-reassign-partitions.sh`; `depot topics` makes new ones with so many, and changes none",
        );
    }
    answer.seen.push(format!("{} topics", topics.len()));
    answer
}

fn places(topics: &[Topic], is_meant: impl Fn(&&Topic, &&Partition) -> bool) -> Vec<String> {
    let places = topics.iter().flat_map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .filter(|partition| is_meant(&topic, partition));
        partitions
            .map(|partition| format!("{}/{}", topic.name, partition.id))
            .collect::<Vec<_>>()
    });
    places.collect()
}

fn names(topics: &[Topic], is_meant: impl Fn(&Topic) -> bool) -> Vec<String> {
    let meant = topics.iter().filter(|topic| is_meant(topic));
    meant.map(|topic| topic.name.clone()).collect()
}
