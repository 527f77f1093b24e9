use depot_schemas::{Entity, topics::Topics};
use depot_service::{
    config::KafkaConfig,
    startup::{Check as _, Finding, Weight},
};
use depot_test_stack::{TestTopics, settings, unique_name, wait_until};
use depot_topics::KafkaCheck;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};

const PARTITIONS: i32 = 2;

fn check(topics: &Topics, prefix: &str, partitions: i32) -> KafkaCheck {
    let kafka = KafkaConfig {
        topic_partitions: Some(partitions),
        ..KafkaConfig::plaintext(settings().kafka_brokers(), prefix)
    };
    let used = [
        topics.events(Entity::Items),
        topics.dead_letters(Entity::Items),
        topics.store_notifications(),
    ];
    KafkaCheck::new(&kafka, used).unwrap()
}

fn said(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[tokio::test]
async fn topics_as_they_are_declared_pass() {
    let topics = TestTopics::create(PARTITIONS).await.unwrap();
    let check = check(&topics.names(), topics.prefix(), PARTITIONS);
    wait_until("nothing is found", || async {
        check.look().await.is_ok_and(|found| found.is_empty())
    })
    .await;
}

#[tokio::test]
async fn topics_that_are_absent_are_waited_for_and_only_those_that_are_used() {
    let prefix = unique_name();
    let names = Topics::new(&prefix);
    let findings = check(&names, &prefix, PARTITIONS).look().await.unwrap();
    assert_eq!(findings.len(), 3, "{}", said(&findings));
    for finding in &findings {
        assert_eq!(finding.weight, Weight::Pending, "{finding}");
        assert_eq!(finding.problem, "is not there");
        assert_eq!(finding.mend, "run `depot topics`");
    }
    assert_eq!(findings[0].subject, format!("topic {prefix}.items.v1"));
}

#[tokio::test]
async fn another_number_of_partitions_is_refused_be_it_smaller_or_larger() {
    let topics = TestTopics::create(PARTITIONS).await.unwrap();
    for declared in [PARTITIONS - 1, PARTITIONS + 1] {
        let check = check(&topics.names(), topics.prefix(), declared);
        let findings = check.look().await.unwrap();
        assert_eq!(findings.len(), 3, "{}", said(&findings));
        for finding in findings {
            assert_eq!(finding.weight, Weight::Wrong, "{finding}");
            let said = finding.to_string();
            assert!(
                said.contains(&format!("has {PARTITIONS} partitions instead of {declared}")),
                "{said}"
            );
            assert!(said.contains(&format!("TOPIC_PARTITIONS={PARTITIONS}")), "{said}");
        }
    }
}

#[tokio::test]
async fn a_policy_a_retention_or_a_limit_that_is_not_as_declared_is_refused() {
    let topics = TestTopics::create(PARTITIONS).await.unwrap();
    let (events, letters) = (
        topics.names().events(Entity::Items),
        topics.names().dead_letters(Entity::Items),
    );
    let client = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create();
    let admin: AdminClient<DefaultClientContext> = client.unwrap();
    let changes = [
        AlterConfig::new(ResourceSpecifier::Topic(&events))
            .set("cleanup.policy", "compact")
            .set("retention.ms", "86400000")
            .set("retention.bytes", "-1")
            .set("max.message.bytes", "1048576"),
        AlterConfig::new(ResourceSpecifier::Topic(&letters))
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1")
            .set("retention.bytes", "1000000")
            .set("max.message.bytes", "1048576"),
    ];
    for changed in admin.alter_configs(&changes, &AdminOptions::new()).await.unwrap() {
        changed.unwrap();
    }
    let check = check(&topics.names(), topics.prefix(), PARTITIONS);
    wait_until("the settings are known to the broker", || async {
        check.look().await.is_ok_and(|found| found.len() == 4)
    })
    .await;
    let findings = check.look().await.unwrap();
    let all = said(&findings);
    for words in [
        format!(
            "topic {events}: has cleanup.policy compact instead of delete; set cleanup.policy=delete on it"
        ),
        format!("topic {events}: has retention.ms 86400000 instead of -1; set retention.ms=-1 on it"),
        format!("topic {letters}: has retention.bytes 1000000 instead of -1"),
        format!("topic {letters}: has max.message.bytes 1048576 instead of 2097152"),
    ] {
        assert!(all.contains(&words), "{words}\nin\n{all}");
    }
    assert!(findings.iter().all(|finding| finding.weight == Weight::Wrong));
}
