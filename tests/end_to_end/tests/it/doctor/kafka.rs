use depot_schemas::{Entity, topics::Topics};
use depot_test_stack::{TestTopics, settings, unique_name, wait_until};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};

use super::{Pairs, look, of_machine, with};

const KAFKA: [&str; 2] = ["--part", "kafka"];

fn of_topics(topics: &TestTopics) -> Pairs {
    with(
        &of_machine(),
        &[
            ("TOPIC_PREFIX", topics.prefix()),
            ("TOPIC_PARTITIONS", topics.partitions()),
        ],
    )
}

/// Gives a topic its declared settings, and this one.
async fn set(topics: &Topics, topic: &str, name: &str, value: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap();
    let specs = topics.declared();
    let declared = specs.iter().find(|spec| spec.name == topic).unwrap().settings();
    // It replaces all that there are.
    let config = declared.iter().fold(
        AlterConfig::new(ResourceSpecifier::Topic(topic)),
        |config, (name, value)| config.set(name, value),
    );
    let config = if value.is_empty() {
        config
    } else {
        config.set(name, value)
    };
    let done = admin
        .alter_configs([&config], &AdminOptions::new())
        .await
        .unwrap();
    done.into_iter().for_each(|topic| drop(topic.unwrap()));
}

#[tokio::test]
async fn topics_as_declared_are_in_order_and_any_difference_is_told_as_at_the_start_of_services() {
    let topics = TestTopics::create(2).await.unwrap();
    let environment = of_topics(&topics);
    let found = look(&environment, &KAFKA).await;
    found.assert_clean();
    assert!(
        found.report["parts"][0]["seen"].to_string().contains(" topics"),
        "{found:?}"
    );

    let more = with(&environment, &[("TOPIC_PARTITIONS", "7")]);
    let found = look(&more, &KAFKA).await;
    found.assert_only(
        "kafka_unfit",
        &["has 2 partitions instead of 7", "TOPIC_PARTITIONS=2"],
    );
    assert_eq!(found.code, 1, "{found:?}");

    let nowhere = with(&environment, &[("TOPIC_PREFIX", &unique_name())]);
    let found = look(&nowhere, &KAFKA).await;
    found.assert_only("kafka_unfit", &[".items.v1: is not there", "`depot topics`"]);

    let items = topics.names().events(Entity::Items);
    let words = [
        &*items,
        "has cleanup.policy compact instead of delete",
        "set cleanup.policy=delete",
    ];
    set(&topics.names(), &items, "cleanup.policy", "compact").await;
    wait_until("the broker says so", || async {
        look(&environment, &KAFKA).await.has("kafka_unfit", &words)
    })
    .await;
    set(&topics.names(), &items, "cleanup.policy", "delete").await;
    wait_until("it is mended", || async {
        look(&environment, &KAFKA).await.is_clean()
    })
    .await;
}

#[tokio::test]
async fn a_topic_that_takes_nothing_or_may_lose_what_it_took_is_told() {
    let topics = TestTopics::create(2).await.unwrap();
    let environment = of_topics(&topics);
    let uploads = topics.names().events(Entity::Uploads);
    let both = [format!("{uploads}/0"), format!("{uploads}/1")];
    for (kind, setting, value, words) in [
        (
            "topic_unwritable",
            "min.insync.replicas",
            "2",
            [&*both[0], &both[1], "min.insync.replicas"],
        ),
        (
            "topic_unclean",
            "unclean.leader.election.enable",
            "true",
            [&*uploads, "are lost", "unclean.leader.election.enable=false"],
        ),
    ] {
        set(&topics.names(), &uploads, setting, value).await;
        wait_until("it is told", || async {
            look(&environment, &KAFKA).await.has(kind, &words)
        })
        .await;
        let found = look(&environment, &KAFKA).await;
        found.assert_only(kind, &words);
        assert_eq!(found.code, 1, "{found:?}");
        set(&topics.names(), &uploads, setting, "").await;
        wait_until("it is mended", || async {
            look(&environment, &KAFKA).await.is_clean()
        })
        .await;
    }
}

#[tokio::test]
async fn topics_with_fewer_copies_than_they_are_to_have_are_told() {
    let topics = TestTopics::create(2).await.unwrap();
    let environment = of_topics(&topics);
    let more = with(&environment, &[("KAFKA_REPLICATION_FACTOR", "3")]);
    let found = look(&more, &KAFKA).await;
    let items = topics.names().events(Entity::Items);
    found.assert_only("replicas_few", &[&items, "KAFKA_REPLICATION_FACTOR=3", "more"]);
    assert_eq!(found.code, 4, "{found:?}");
    let as_it_is = with(&environment, &[("KAFKA_REPLICATION_FACTOR", "1")]);
    look(&as_it_is, &KAFKA).await.assert_clean();
}

#[tokio::test]
async fn brokers_that_do_not_answer_are_told_and_what_hangs_on_them_is_not_guessed() {
    let away = with(&of_machine(), &[("KAFKA_BROKERS", "127.0.0.1:1")]);
    let found = look(&away, &KAFKA).await;
    found.assert_only("kafka_away", &["127.0.0.1:1", "KAFKA_BROKERS"]);
    assert_eq!(found.code, 3, "{found:?}");
    let topics = TestTopics::create(1).await.unwrap();
    look(&of_topics(&topics), &KAFKA).await.assert_clean();
}
