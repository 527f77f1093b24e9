//! Groups that nobody reads for, that are behind, and that stand where the log is not.

use std::time::Duration;

use depot_schemas::Entity;
use depot_test_stack::{TestDatabase, TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{FutureProducer, FutureRecord},
};
use sqlx::PgPool;

use super::{Found, Pairs, execute, look, of_database, with};

const TIMEOUT: Duration = Duration::from_secs(60);

struct World {
    database: TestDatabase,
    topics: TestTopics,
    environment: Pairs,
}

impl World {
    async fn create() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let topics = TestTopics::create(2).await.unwrap();
        let environment = with(
            &of_database(&database),
            &[
                ("TOPIC_PREFIX", topics.prefix()),
                ("TOPIC_PARTITIONS", topics.partitions()),
            ],
        );
        Self {
            database,
            topics,
            environment,
        }
    }

    /// With no patience at all: a message counts as old when it is there.
    async fn look(&self) -> Found {
        look(&self.environment, &["--part", "lag", "--patience", "0"]).await
    }

    /// Nobody runs, so groups without a reader are always told of here.
    async fn is_mended(&self) -> bool {
        let found = self.look().await;
        found.findings().all(|finding| finding["kind"] == "group_unread")
    }
}

async fn produce(topic: &str, partition: i32) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", settings().kafka_brokers())
        .create()
        .unwrap();
    let record = FutureRecord::<str, str>::to(topic)
        .partition(partition)
        .payload("{}");
    producer.send(record, TIMEOUT).await.unwrap();
}

/// As a member of the group would, that has read up to there.
async fn commit(group: String, topic: String, partition: i32, next: i64) {
    let committed = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", settings().kafka_brokers())
            .set("group.id", group)
            .create()
            .unwrap();
        let mut place = TopicPartitionList::new();
        place
            .add_partition_offset(&topic, partition, Offset::Offset(next))
            .unwrap();
        consumer.commit(&place, CommitMode::Sync).unwrap();
    });
    committed.await.unwrap();
}

async fn stand(owner: &PgPool, topic: &str, next: i64) {
    let stand = format!(
        "INSERT INTO read.offsets (projection, topic, partition, next_offset) VALUES (1, '{topic}', 1, {next})
         ON CONFLICT (projection, topic, partition) DO UPDATE SET next_offset = {next}"
    );
    execute(owner, &stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_no_instance_reads_for_is_told() {
    let world = World::create().await;
    let found = world.look().await;
    for (group, reader) in [
        ("projector", "start a projector"),
        ("uploader", "start an uploader"),
        ("saga", "SAGA_ENABLED"),
        ("dead-letters", "DEAD_LETTERS_ENABLED"),
    ] {
        let group = world.topics.names().group(group);
        found.assert_only("group_unread", &[&group, reader]);
    }
    let notifications = world.topics.names().group("store-notifications");
    assert!(
        !found.has("group_unread", &[&notifications]),
        "nobody has to: {found:?}"
    );
    let heard = with(&world.environment, &[("STORE_NOTIFICATIONS_ENABLED", "true")]);
    look(&heard, &["--part", "lag"])
        .await
        .assert_has("group_unread", &[&notifications, "STORE_NOTIFICATIONS_ENABLED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projector_is_told_where_it_is_behind_and_where_it_stands_outside_of_the_log() {
    let world = World::create().await;
    let owner = world.database.owner_pool().await;
    let items = world.topics.names().events(Entity::Items);
    let group = world.topics.names().group("projector");
    stand(&owner, &items, 0).await;
    wait_until("nothing is there to be read", || world.is_mended()).await;

    produce(&items, 1).await;
    let place = format!("{items}/1");
    let words = [&*group, "is behind by 1 message on", &place, "/readyz"];
    wait_until("it is told", || async {
        world.look().await.has("group_behind", &words)
    })
    .await;
    // One that has just come is on its way.
    let patient = look(&world.environment, &["--part", "lag", "--patience", "86400"]).await;
    assert!(!patient.has("group_behind", &[]), "{patient:?}");
    stand(&owner, &items, 1).await;
    wait_until("it is mended", || world.is_mended()).await;

    stand(&owner, &items, 99).await;
    let words = [
        &*group,
        &format!("{place} at 99, which has 0 to 1"),
        "by hand only",
    ];
    let found = world.look().await;
    found.assert_has("offset_outside", &words);
    assert_eq!(found.severity("offset_outside"), "fault");
    stand(&owner, &items, 1).await;
    wait_until("it is mended", || world.is_mended()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_kafkas_is_told_where_it_is_behind_and_not_for_what_waits_on_purpose() {
    let world = World::create().await;
    let names = world.topics.names();
    let (group, uploads, retry) = (
        names.group("uploader"),
        names.events(Entity::Uploads),
        names.retries()[0].clone(),
    );
    for topic in [&uploads, &retry] {
        commit(group.clone(), topic.clone(), 0, 0).await;
        produce(topic, 0).await;
    }
    let words = [&*group, "is behind by 1 message on", &format!("{uploads}/0")];
    wait_until("it is told", || async {
        world.look().await.has("group_behind", &words)
    })
    .await;
    let found = world.look().await;
    assert!(!found.has("group_behind", &[&retry]), "{found:?}");
    commit(group, uploads, 0, 1).await;
    wait_until("it is mended", || world.is_mended()).await;
}
