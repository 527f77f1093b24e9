//! Retry topics on real Kafka and the real table: order per key, nothing lost, whatever is interrupted where.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use depot_consumer::{
    Consumer, ConsumerSettings, Context, DeadLetters, Failure, KeyHandler, Origin, ParkedKeys,
    ParkedUnavailable, Place, Poison, Record, RetryTier, RetryTopics, Slot, Tenure, TenureLost, header,
};
use depot_schemas::Entity;
use depot_test_stack::{ServiceRole, TestDatabase, TestTopics, settings, wait_until};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    message::{BorrowedHeaders, Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uploader::ParkedUploads;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(30);

/// Topics and a table of the test's own.
struct World {
    topics: TestTopics,
    pool: PgPool,
    producer: FutureProducer,
    _database: TestDatabase,
}

/// What was handled to its end, in order, as `key/value`, and how often each value is to fail.
#[derive(Clone, Default)]
struct Story {
    handled: Arc<Mutex<Vec<String>>>,
    failures: Arc<Mutex<HashMap<String, u32>>>,
}

impl Story {
    /// The value fails so often, by a fault of its own, before it passes.
    fn fails(&self, value: &str, times: u32) {
        self.failures.lock().unwrap().insert(value.to_owned(), times);
    }

    fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }

    /// The first occurrences of a key's values, in order.
    fn of(&self, key: &str) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for entry in self.handled() {
            match entry.split_once('/') {
                Some((k, value)) if k == key && !values.iter().any(|v| v == value) => {
                    values.push(value.to_owned());
                }
                _ => {}
            }
        }
        values
    }
}

struct Texts(Story);

impl KeyHandler for Texts {
    type Event = String;

    fn decode(&self, record: &Record) -> Result<String, Poison> {
        let value = record.payload.clone().unwrap_or_default();
        match String::from_utf8(value) {
            Ok(text) if text != "bad" => Ok(text),
            _ => Err(Poison::new("bad", "cannot be read")),
        }
    }

    async fn handle(&self, value: &String, record: &Record, _: &Context) -> Result<(), Failure> {
        let left = self.0.failures.lock().unwrap().get(value).copied().unwrap_or(0);
        if left > 0 {
            self.0.fails(value, left - 1);
            return Err(Failure::retry_later("not yet", "a fault of its own"));
        }
        let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
        self.0.handled.lock().unwrap().push(format!("{key}/{value}"));
        Ok(())
    }
}

/// Hangs at one call of the store, before or after it is done: the process is dead from there on.
struct Crashing {
    inner: ParkedUploads,
    left: Mutex<u32>,
    after: bool,
    crashed: CancellationToken,
}

impl Crashing {
    async fn call<T>(&self, work: impl Future<Output = T>) -> T {
        let is_last = {
            let mut left = self.left.lock().unwrap();
            *left = left.saturating_sub(1);
            *left == 0
        };
        if is_last && !self.after {
            self.crashed.cancel();
            std::future::pending::<()>().await;
        }
        let answer = work.await;
        if is_last {
            self.crashed.cancel();
            std::future::pending::<()>().await;
        }
        answer
    }
}

type Answer<T> = Result<T, ParkedUnavailable>;

impl ParkedKeys for Crashing {
    async fn begin(&self, tenure: &Tenure) -> Answer<()> {
        self.inner.begin(tenure).await
    }

    async fn follow(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
    ) -> Answer<Result<Option<Slot>, TenureLost>> {
        self.call(self.inner.follow(tenure, key, origin)).await
    }

    async fn park(
        &self,
        tenure: &Tenure,
        key: &[u8],
        origin: &Origin,
        slot: Slot,
    ) -> Answer<Result<(), TenureLost>> {
        self.call(self.inner.park(tenure, key, origin, slot)).await
    }

    async fn place(&self, group: &str, key: &[u8], origin: &Origin) -> Answer<Place> {
        self.call(self.inner.place(group, key, origin)).await
    }

    async fn release(&self, tenure: &Tenure, key: &[u8], origin: &Origin) -> Answer<Result<(), TenureLost>> {
        self.call(self.inner.release(tenure, key, origin)).await
    }
}

struct Member {
    consumer: Consumer,
    stop: CancellationToken,
}

impl Member {
    async fn stop(self) {
        self.stop.cancel();
        self.consumer.join().await.unwrap();
    }
}

impl World {
    async fn new(partitions: i32) -> Self {
        let database = TestDatabase::create().await.unwrap();
        Self {
            topics: TestTopics::create(partitions).await.unwrap(),
            pool: database.pool(ServiceRole::Uploader).await,
            producer: client().create().unwrap(),
            _database: database,
        }
    }

    fn source(&self) -> String {
        self.topics.names().events(Entity::Uploads)
    }

    fn group(&self) -> String {
        self.topics.names().group("uploader")
    }

    fn member(&self, story: &Story) -> Member {
        self.member_with(story, ParkedUploads(self.pool.clone()))
    }

    fn member_with<P: ParkedKeys>(&self, story: &Story, parked: P) -> Member {
        let mut settings = ConsumerSettings::new(settings().kafka_brokers(), self.group(), [self.source()]);
        settings.commit_interval = Duration::from_millis(50);
        settings.backoff_initial = Duration::from_millis(10);
        settings.drain_deadline = Duration::from_millis(500);
        settings.revoke_grace = Duration::from_millis(500);
        let tiers = self.topics.names().retries().into_iter();
        let tiers = tiers.map(|topic| RetryTier {
            topic,
            delay: Duration::from_millis(300),
        });
        let retries = RetryTopics {
            tiers: tiers.collect(),
            parked,
        };
        let letters = DeadLetters::new(&settings.brokers, &[]).unwrap();
        let stop = CancellationToken::new();
        let handler = Texts(story.clone());
        let consumer =
            Consumer::start_keyed_with_retries(settings, handler, retries, letters, stop.clone()).unwrap();
        Member { consumer, stop }
    }

    async fn put(&self, topic: &str, partition: i32, key: &str, value: &str, headers: OwnedHeaders) -> i64 {
        let record = FutureRecord::to(topic)
            .partition(partition)
            .key(key)
            .payload(value);
        let sent = self.producer.send(record.headers(headers), LIMIT).await;
        sent.unwrap().offset
    }

    async fn tell(&self, key: &str, value: &str) -> i64 {
        self.put(&self.source(), 0, key, value, OwnedHeaders::new()).await
    }

    /// A copy of what lies at `offset` of the source, as the retry topics hold it.
    async fn put_copy(&self, tier: usize, offset: i64, key: &str, value: &str, more: OwnedHeaders) {
        let bytes = |name, value: &[u8]| (name, value.to_vec());
        let origin = [
            bytes(header::ORIGINAL_TOPIC, self.source().as_bytes()),
            bytes(header::ORIGINAL_PARTITION, &0_i32.to_be_bytes()),
            bytes(header::ORIGINAL_OFFSET, &offset.to_be_bytes()),
        ];
        let headers = origin.iter().fold(more, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        let topic = self.topics.names().retries()[tier].clone();
        self.put(&topic, 0, key, value, headers).await;
    }

    async fn parked(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM uploader.parked_keys")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn park_by_hand(&self, key: &str, offset: i64, tier: i16) {
        sqlx::query(
            "INSERT INTO uploader.parked_keys (consumer_group, key, topic, partition, \"offset\", tier, not_before)
             VALUES ($1, $2, $3, 0, $4, $5, now())",
        )
        .bind(self.group())
        .bind(key.as_bytes())
        .bind(self.source())
        .bind(offset)
        .bind(tier)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Sets the committed offset of the group, which has no members.
    async fn commit(&self, topic: &str, offset: i64) {
        let (group, topic) = (self.group(), topic.to_owned());
        let commit = move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, 0, Offset::Offset(offset))
                .unwrap();
            let consumer: BaseConsumer = client().set("group.id", group).create().unwrap();
            consumer.commit(&list, CommitMode::Sync).unwrap();
        };
        tokio::task::spawn_blocking(commit).await.unwrap();
    }

    /// Until the group has passed everything in the source and the retry topics, and nothing waits.
    async fn settled(&self) {
        wait_until("nothing waits and all is passed", || async {
            self.parked().await == 0 && self.lag().await == 0
        })
        .await;
    }

    async fn lag(&self) -> i64 {
        let (group, names) = (self.group(), self.topics.names());
        let topics: Vec<String> = [self.source()].into_iter().chain(names.retries()).collect();
        let ask = move || {
            let consumer: BaseConsumer = client().set("group.id", group).create().unwrap();
            let mut lag = 0;
            for topic in topics {
                let metadata = consumer.fetch_metadata(Some(&topic), LIMIT).unwrap();
                for partition in metadata.topics()[0].partitions() {
                    let (_, high) = consumer.fetch_watermarks(&topic, partition.id(), LIMIT).unwrap();
                    let mut list = TopicPartitionList::new();
                    list.add_partition(&topic, partition.id());
                    let committed = consumer.committed_offsets(list, LIMIT).unwrap();
                    lag += match committed.elements()[0].offset() {
                        Offset::Offset(offset) => high - offset,
                        _ => high,
                    };
                }
            }
            lag
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    async fn letters(&self) -> Vec<OwnedMessage> {
        let topic = self.topics.names().dead_letters(Entity::Uploads);
        let read = move || {
            let consumer: BaseConsumer = client().set("group.id", "reader").create().unwrap();
            let (low, high) = consumer.fetch_watermarks(&topic, 0, LIMIT).unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, 0, Offset::Offset(low)).unwrap();
            consumer.assign(&list).unwrap();
            let mut letters = Vec::new();
            while (letters.len() as i64) < high - low {
                letters.push(consumer.poll(LIMIT).unwrap().unwrap().detach());
            }
            letters
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }
}

fn client() -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", settings().kafka_brokers())
        .set("enable.auto.commit", "false");
    client
}

fn texts(message: &OwnedMessage) -> BTreeMap<String, Vec<u8>> {
    let headers = message.headers().map(|headers| headers.as_borrowed());
    let headers = headers.into_iter().flat_map(BorrowedHeaders::iter);
    headers
        .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_parked_key_waits_behind_it_while_others_pass() {
    let world = World::new(1).await;
    let story = Story::default();
    story.fails("a1", 2);
    for (key, value) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
        world.tell(key, value).await;
    }
    let member = world.member(&story);
    world.settled().await;
    assert_eq!(story.of("a"), ["a1", "a2", "a3"]);
    assert_eq!(story.of("b"), ["b1", "b2"]);
    let handled = story.handled();
    let at = |entry: &str| handled.iter().position(|have| have == entry).unwrap();
    assert!(at("b/b2") < at("a/a1"), "the other key did not wait: {handled:?}");
    // The key is free again: what comes now is handled where it is.
    world.tell("a", "a4").await;
    wait_until("the next is handled", || async { story.of("a").len() == 4 }).await;
    member.stop().await;
    assert!(world.letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_fails_in_every_tier_is_one_dead_letter_and_its_key_goes_on() {
    let world = World::new(1).await;
    let story = Story::default();
    story.fails("a1", u32::MAX);
    let original = OwnedHeaders::new().insert(Header {
        key: "ce_id",
        value: Some("event-1"),
    });
    let offset = world.put(&world.source(), 0, "a", "a1", original).await;
    world.tell("a", "a2").await;
    world.tell("a", "bad").await;
    world.tell("a", "a3").await;
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.of("a"), ["a2", "a3"]);
    let left = story.failures.lock().unwrap()["a1"];
    assert_eq!(u32::MAX - left, 4, "once in the source and once in each tier");
    let letters = world.letters().await;
    let payloads: Vec<_> = letters.iter().map(|letter| letter.payload().unwrap()).collect();
    assert_eq!(
        payloads,
        [&b"a1"[..], b"bad"],
        "poison that followed comes after it"
    );
    let headers = texts(&letters[0]);
    assert_eq!(letters[0].key(), Some(&b"a"[..]));
    assert_eq!(headers["ce_id"], b"event-1");
    assert_eq!(headers[header::ORIGINAL_TOPIC], world.source().as_bytes());
    assert_eq!(headers[header::ORIGINAL_OFFSET], offset.to_be_bytes());
    assert_eq!(headers[header::REASON_CLASS], b"retries-exhausted");
    assert_eq!(headers[header::ATTEMPTS], b"1");
    assert!(!headers.contains_key(header::NOT_BEFORE), "{headers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_followed_another_into_a_late_tier_has_all_its_own_attempts() {
    let world = World::new(1).await;
    let story = Story::default();
    story.fails("a1", 3);
    story.fails("a2", 3);
    for value in ["a1", "a2", "a3"] {
        world.tell("a", value).await;
    }
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.of("a"), ["a1", "a2", "a3"]);
    assert!(world.letters().await.is_empty());
}

/// Each state that a crash leaves, made by hand: what is committed is what is written here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_every_state_that_a_crash_leaves_all_goes_on_in_order() {
    // A row, and no copy: the source is read again, and the copy is sent then. What followed waits for it.
    let world = World::new(1).await;
    let story = Story::default();
    let offset = world.tell("a", "a1").await;
    world.tell("a", "a2").await;
    world.park_by_hand("a", offset, 0).await;
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.of("a"), ["a1", "a2"]);

    // A row that says the second tier, and a copy in the first only: the copy goes where the row says.
    let third = world.tell("a", "a3").await;
    world.tell("a", "a4").await;
    world.commit(&world.source(), third + 1).await;
    world.park_by_hand("a", third, 1).await;
    world.put_copy(0, third, "a", "a3", OwnedHeaders::new()).await;
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.of("a"), ["a1", "a2", "a3", "a4"]);

    // Released, and the retry topic's offset not passed: the copy is a repeat, and nobody handles it again.
    let before = story.handled().len();
    world.commit(&world.topics.names().retries()[0], 0).await;
    world.commit(&world.topics.names().retries()[1], 0).await;
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.handled().len(), before);

    // Copies in the other order than the messages': the older one is handled first.
    let (fifth, sixth) = (world.tell("a", "a5").await, world.tell("a", "a6").await);
    world.commit(&world.source(), sixth + 1).await;
    world.park_by_hand("a", fifth, 0).await;
    world.park_by_hand("a", sixth, 0).await;
    world.put_copy(0, sixth, "a", "a6", OwnedHeaders::new()).await;
    world.put_copy(0, fifth, "a", "a5", OwnedHeaders::new()).await;
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.of("a")[4..], ["a5", "a6"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_call_in_turn_the_group_loses_nothing_and_keeps_the_order() {
    let world = World::new(1).await;
    let story = Story::default();
    story.fails("a1", 2);
    story.fails("a3", 1);
    let mut expected = Vec::new();
    for number in 1..=6 {
        world.tell("a", &format!("a{number}")).await;
        expected.push(format!("a{number}"));
    }
    for call in 1..=5 {
        for after in [false, true] {
            let crashed = CancellationToken::new();
            let parked = Crashing {
                inner: ParkedUploads(world.pool.clone()),
                left: Mutex::new(call),
                after,
                crashed: crashed.clone(),
            };
            let member = world.member_with(&story, parked);
            wait_until("it is dead, or has nothing to do", || async {
                crashed.is_cancelled() || (world.parked().await == 0 && world.lag().await == 0)
            })
            .await;
            member.stop().await;
        }
    }
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.of("a"), expected, "{:?}", story.handled());
    assert!(world.letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_keep_the_order_of_every_key() {
    let world = World::new(4).await;
    let story = Story::default();
    let (source, keys) = (world.source(), 12);
    let first = world.member(&story);
    let tell = async |rounds: std::ops::Range<u32>| {
        for number in rounds {
            for key in 0..keys {
                let (name, value) = (format!("k{key}"), format!("k{key}-{number:02}"));
                if (number + key) % 5 == 0 {
                    story.fails(&value, 1 + key % 2);
                }
                world
                    .put(&source, (key % 4) as i32, &name, &value, OwnedHeaders::new())
                    .await;
            }
        }
    };
    tell(0..5).await;
    let second = world.member(&story);
    tell(5..10).await;
    first.stop().await;
    let third = world.member(&story);
    tell(10..15).await;
    world.settled().await;
    second.stop().await;
    third.stop().await;
    for key in 0..keys {
        let expected: Vec<String> = (0..15).map(|number| format!("k{key}-{number:02}")).collect();
        assert_eq!(story.of(&format!("k{key}")), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_is_brought_back_is_handled_and_a_copy_that_nobody_asked_for_is_not() {
    let world = World::new(1).await;
    let story = Story::default();
    let offset = world.tell("a", "a1").await;
    let second = world.tell("a", "a2").await;
    world.commit(&world.source(), second + 1).await;
    world.put_copy(0, 70, "a", "stray", OwnedHeaders::new()).await;
    let redriven = || {
        OwnedHeaders::new().insert(Header {
            key: header::REDRIVEN,
            value: Some("1"),
        })
    };
    // The first fails once more: the second waits for it.
    story.fails("a1", 1);
    world.put_copy(0, offset, "a", "a1", redriven()).await;
    world.put_copy(0, second, "a", "a2", redriven()).await;
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    assert_eq!(story.handled(), ["a/a1", "a/a2"]);
}

#[tokio::test]
async fn what_a_tenure_writes_that_has_passed_on_matches_nothing() {
    let world = World::new(1).await;
    let parked = ParkedUploads(world.pool.clone());
    let tenure = |id| Tenure {
        group: world.group().as_str().into(),
        topic: world.source().as_str().into(),
        partition: 0,
        id,
    };
    let (old, new) = (tenure(Uuid::now_v7()), tenure(Uuid::now_v7()));
    let origin = |offset| Origin {
        topic: world.source(),
        partition: 0,
        offset,
    };
    let slot = Slot {
        tier: 1,
        not_before: OffsetDateTime::now_utc(),
    };
    parked.begin(&old).await.unwrap();
    assert_eq!(parked.park(&old, b"a", &origin(1), slot).await.unwrap(), Ok(()));
    parked.begin(&new).await.unwrap();
    assert_eq!(
        parked.park(&old, b"a", &origin(2), slot).await.unwrap(),
        Err(TenureLost)
    );
    assert_eq!(
        parked.follow(&old, b"a", &origin(3)).await.unwrap(),
        Err(TenureLost)
    );
    assert_eq!(
        parked.release(&old, b"a", &origin(1)).await.unwrap(),
        Err(TenureLost)
    );
    assert_eq!(world.parked().await, 1, "the one of before");
    assert!(matches!(
        parked.follow(&new, b"a", &origin(4)).await.unwrap(),
        Ok(Some(Slot { tier: 1, .. }))
    ));
    let group = world.group();
    assert!(matches!(
        parked.place(&group, b"a", &origin(4)).await.unwrap(),
        Place::Behind(_)
    ));
    assert_eq!(parked.follow(&new, b"b", &origin(5)).await.unwrap(), Ok(None));
}
