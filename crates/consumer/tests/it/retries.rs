//! Retry topics: faults that are counted, delays, the order of a key, and what a crash or another owner leaves.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use depot_consumer::{Consumer, Failure, PartitionState, Record, RetryTier, RetryTopics, Slot, header};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    log::Log,
    parked::Parked,
    running::{Running, dead_letters, until},
    texts::{Handled, Texts},
};

const DELAY: Duration = Duration::from_millis(300);

/// What was seen of the records of one value, in order.
#[derive(Clone, Debug)]
struct Seen {
    value: String,
    topic: String,
    /// How often it had failed, as its header says.
    failures: Option<String>,
    at: Instant,
}

/// A group with two retry topics, what waits in them, and how often each value is to fail.
struct World {
    log: Log,
    parked: Parked,
    failures: Arc<Mutex<HashMap<String, u32>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    handled: Handled,
}

impl World {
    async fn new() -> Self {
        Self {
            log: Log::create_with_retries(1).await.unwrap(),
            parked: Parked::default(),
            failures: Arc::default(),
            seen: Arc::default(),
            handled: Handled::default(),
        }
    }

    fn fails(&self, value: &str, times: u32) {
        self.failures.lock().unwrap().insert(value.to_owned(), times);
    }

    fn member(&self, delay: Duration) -> Running {
        let tiers = self.log.retry_topics().map(|topic| RetryTier { topic, delay });
        let retries = RetryTopics {
            tiers: tiers.into(),
            parked: self.parked.clone(),
        };
        let (failures, seen) = (Arc::clone(&self.failures), Arc::clone(&self.seen));
        let handler = Texts::new(&self.handled, move |record, _| {
            let value = String::from_utf8(record.payload.clone().unwrap()).unwrap();
            seen.lock().unwrap().push(Seen {
                value: value.clone(),
                topic: record.topic.to_string(),
                failures: record.header_str(header::FAILURES).map(str::to_owned),
                at: Instant::now(),
            });
            let mut failures = failures.lock().unwrap();
            let left = failures.entry(value).or_default();
            let fails = *left > 0;
            *left = left.saturating_sub(1);
            async move {
                if fails {
                    let cause = std::io::Error::other("a fault of its own");
                    return Err(Failure::retry_later("not yet", cause));
                }
                Ok(())
            }
        });
        let stop = CancellationToken::new();
        let settings = self.log.settings();
        let consumer =
            Consumer::start_keyed_with_retries(settings, handler, retries, dead_letters(), stop.clone())
                .unwrap();
        Running { consumer, stop }
    }

    /// Until the group has passed everything in the source and the retry topics, and nothing waits.
    async fn settled(&self) {
        until("all is passed and nothing waits", async || {
            self.log.is_passed().await && self.parked.count() == 0
        })
        .await;
    }

    async fn tell(&self, key: &str, value: &str) -> i64 {
        self.log.put(0, Some(key), value.as_bytes()).await
    }

    /// What the topics were in which these records were seen, and how often they had failed: source, first, second.
    fn seen_of(&self, value: &str) -> Vec<(usize, Option<String>)> {
        let [first, second] = self.log.retry_topics();
        let topics = [self.log.topic(), first, second];
        let number = |topic: &String| topics.iter().position(|have| have == topic).unwrap();
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.value == value)
            .map(|seen| (number(&seen.topic), seen.failures.clone()))
            .collect()
    }

    fn times_of(&self, value: &str) -> Vec<Instant> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.value == value)
            .map(|seen| seen.at)
            .collect()
    }
}

fn failed(times: u32) -> Option<String> {
    Some(times.to_string())
}

fn slot(tier: usize) -> Slot {
    Slot {
        tier,
        not_before: OffsetDateTime::now_utc(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_its_own_goes_through_the_tiers_and_only_its_key_waits() {
    let world = World::new().await;
    world.fails("a1", 2);
    for (key, value) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
        world.tell(key, value).await;
    }
    let member = world.member(DELAY);
    world.settled().await;
    assert_eq!(world.handled.values(0, Some("a")), ["a1", "a2", "a3"]);
    assert_eq!(
        world.handled.values(0, None)[..2],
        ["b1", "b2"],
        "the other key did not wait"
    );
    assert_eq!(world.seen_of("a1"), [(0, None), (1, failed(1)), (2, failed(2))]);
    let times = world.times_of("a1");
    for pair in times.windows(2) {
        // The moment is told in whole milliseconds.
        assert!(pair[1] - pair[0] >= DELAY - Duration::from_millis(2), "{times:?}");
    }
    let [(tier, failures)] = &world.seen_of("a2")[..] else {
        panic!("it was handled once")
    };
    assert!(
        *tier > 0 && *failures == failed(0),
        "to have followed is no fault of its own"
    );

    // The key is free again: what comes now is handled where it is.
    world.tell("a", "a4").await;
    world.settled().await;
    member.stop().await;
    assert_eq!(world.seen_of("a4"), [(0, None)]);
    assert!(world.log.letters(0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_once_more_than_there_are_tiers_is_a_dead_letter_and_its_key_goes_on() {
    let world = World::new().await;
    world.fails("a1", u32::MAX);
    for value in ["a1", "a2", "bad", "a3"] {
        world.tell("a", value).await;
    }
    let member = world.member(DELAY);
    world.settled().await;
    member.stop().await;
    assert_eq!(world.handled.values(0, Some("a")), ["a2", "a3"]);
    assert_eq!(world.seen_of("a1").len(), 3);
    let letters = world.log.letters(0).await;
    let text = |letter: &Record, name| letter.header_str(name).unwrap_or_default().to_owned();
    let payloads: Vec<_> = letters
        .iter()
        .map(|letter| letter.payload.as_deref().unwrap())
        .collect();
    assert_eq!(
        payloads,
        [&b"a1"[..], b"bad"],
        "poison that followed comes after it"
    );
    assert_eq!(text(&letters[0], header::REASON_CLASS), "retries-exhausted");
    assert_eq!(
        text(&letters[0], header::REASON_MESSAGE),
        "failed 3 times, at last: not yet: a fault of its own"
    );
    assert_eq!(text(&letters[0], header::ATTEMPTS), "1");
    assert_eq!(text(&letters[0], header::ORIGINAL_TOPIC), world.log.topic());
    for name in [header::FAILURES, header::NOT_BEFORE] {
        assert_eq!(letters[0].header(name), None, "that is of retry topics alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_followed_another_into_the_last_tier_has_all_its_own_attempts() {
    let world = World::new().await;
    world.fails("a1", 2);
    world.fails("a2", 2);
    for value in ["a1", "a2", "a3"] {
        world.tell("a", value).await;
    }
    let member = world.member(DELAY);
    world.settled().await;
    member.stop().await;
    assert_eq!(world.handled.values(0, Some("a")), ["a1", "a2", "a3"]);
    assert_eq!(world.seen_of("a2").len(), 3);
    assert!(world.log.letters(0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_a_key_waits_alone_and_without_a_row() {
    let world = World::new().await;
    world.fails("first", 1);
    world.log.put(0, None, b"first").await;
    world.log.put(0, None, b"second").await;
    let member = world.member(DELAY);
    until("the first one failed", async || {
        !world.seen_of("first").is_empty()
    })
    .await;
    assert_eq!(world.parked.count(), 0);
    until("both are handled", async || world.handled.count() == 2).await;
    world.settled().await;
    member.stop().await;
    assert_eq!(world.handled.values(0, None), ["second", "first"]);
    assert_eq!(world.seen_of("first"), [(0, None), (1, failed(1))]);
}

/// Each state that a crash leaves, made by hand: a row is committed before its copy is sent, and that before the offset.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_each_message_goes_where_its_row_says_and_is_handled_once_in_order() {
    let world = World::new().await;
    let topic = world.log.topic();
    let mut offsets = HashMap::new();
    for value in ["b1", "c1", "c2", "d1", "e1", "a1", "a2", "b2"] {
        offsets.insert(value, world.tell(&value[..1], value).await);
    }
    let copy = async |tier, value: &str| {
        world
            .log
            .put_copy(tier, offsets[value], &value[..1], value, &[])
            .await;
    };
    // The offset passed all but these.
    world.log.commit(0, offsets["a1"]).await;
    // A row, and no copy: the source is read again.
    world.parked.park_by_hand("a", &topic, offsets["a1"], slot(0));
    // The row was moved on, and the copy was not.
    world.parked.park_by_hand("b", &topic, offsets["b1"], slot(1));
    copy(0, "b1").await;
    // Copies in the other order than the messages'.
    world.parked.park_by_hand("c", &topic, offsets["c1"], slot(0));
    world.parked.park_by_hand("c", &topic, offsets["c2"], slot(0));
    copy(0, "c2").await;
    copy(0, "c1").await;
    // A row of a declaration with more tiers.
    world.parked.park_by_hand("d", &topic, offsets["d1"], slot(7));
    copy(0, "d1").await;
    // At its end before: the copy is a repeat.
    copy(0, "e1").await;
    let member = world.member(DELAY);
    world.settled().await;
    member.stop().await;

    for (key, values) in [
        ("a", "a1,a2"),
        ("b", "b1,b2"),
        ("c", "c1,c2"),
        ("d", "d1"),
        ("e", ""),
    ] {
        assert_eq!(world.handled.values(0, Some(key)).join(","), values);
    }
    let tiers = |value| -> Vec<usize> { world.seen_of(value).into_iter().map(|(tier, _)| tier).collect() };
    assert_eq!(
        (tiers("a1"), tiers("b1"), tiers("d1")),
        (vec![1], vec![2], vec![2])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_another_goes_to_its_tier_at_once_and_behind_it_there_after_a_delay() {
    let world = World::new().await;
    let topic = world.log.topic();
    // The older one's copy is still to come.
    world.parked.park_by_hand("a", &topic, 0, slot(1));
    world.parked.park_by_hand("a", &topic, 1, slot(0));
    world.log.put_copy(0, 1, "a", "a2", &[]).await;
    // Another one whose older one is to wait for two hours.
    let mut later = slot(1);
    later.not_before += Duration::from_secs(7_200);
    world.parked.park_by_hand("b", &topic, 2, later);
    world.parked.park_by_hand("b", &topic, 3, slot(0));
    world.log.put_copy(0, 3, "b", "b2", &[]).await;
    let member = world.member(Duration::from_secs(3_600));
    let [_, second] = world.log.retry_topics();
    until("it has gone behind it", async || {
        world.log.size_of(&second).await >= 3
    })
    .await;
    member.stop().await;
    let copies = world.log.records_of(&second, 0).await;
    let waits_for = |copy: &Record| {
        let not_before: i128 = copy.header_str(header::NOT_BEFORE).unwrap().parse().unwrap();
        not_before - OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000
    };
    let of_key = |key: &'static [u8]| copies.iter().filter(move |copy| copy.key.as_deref() == Some(key));
    let waits: Vec<_> = of_key(b"a").map(waits_for).collect();
    assert!(
        waits.len() == 2 && waits[0] <= 0 && waits[1] > 3_000_000,
        "{waits:?}"
    );
    let waits: Vec<_> = of_key(b"b").map(waits_for).collect();
    assert!(waits.len() == 1 && waits[0] > 6_000_000, "{waits:?}");
    assert_eq!(world.handled.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_brought_back_takes_its_place_and_what_is_no_copy_is_never_passed_in_silence() {
    let world = World::new().await;
    let redriven: &[(&str, &str)] = &[(header::REDRIVEN, "1")];
    // The first fails once more: the second waits for it.
    world.fails("a1", 1);
    world.log.put_copy(0, 70, "a", "a1", redriven).await;
    world.log.put_copy(0, 71, "a", "a2", redriven).await;
    // One that was moved on, and whose copy was not.
    let topic = world.log.topic();
    world.parked.park_by_hand("b", &topic, 72, slot(1));
    world.log.put_copy(0, 72, "b", "b1", redriven).await;
    // Put there by hand.
    let [first, _] = world.log.retry_topics();
    for value in ["c1", "bad"] {
        world.log.put_into(&first, "c", value).await;
    }
    let member = world.member(DELAY);
    world.settled().await;
    member.stop().await;
    assert_eq!(world.handled.values(0, Some("a")), ["a1", "a2"]);
    assert_eq!(world.handled.values(0, Some("c")), ["c1"]);
    assert_eq!(world.seen_of("b1"), [(2, failed(0))]);
    let letters = world.log.letters(0).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload.as_deref(), Some(&b"bad"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_of_parked_keys_is_away_partitions_wait_and_nothing_is_passed() {
    let world = World::new().await;
    world.fails("a1", 1);
    world.tell("a", "a1").await;
    world.tell("a", "a2").await;
    world.parked.down.store(true, Ordering::SeqCst);
    let member = world.member(DELAY);
    let backs_off = || {
        let status = member.consumer.handle().status();
        let mut states = status.partitions.into_iter().map(|partition| partition.state);
        states.any(|state| matches!(state, PartitionState::BackingOff(_)))
    };
    until("it waits for its tenure", async || backs_off()).await;
    assert!(world.seen_of("a1").is_empty());
    world.parked.down.store(false, Ordering::SeqCst);
    until("the first fails", async || world.parked.count() > 0).await;
    world.parked.down.store(true, Ordering::SeqCst);
    until("it waits with a record", async || backs_off()).await;
    world.parked.down.store(false, Ordering::SeqCst);
    world.settled().await;
    member.stop().await;
    assert_eq!(world.handled.values(0, Some("a")), ["a1", "a2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_longer_the_owner_parks_nothing_and_passes_nothing() {
    let world = World::new().await;
    world.tell("a", "a1").await;
    let first = world.member(DELAY);
    until("it is the owner", async || {
        world.log.committed(0).await == Some(1)
    })
    .await;
    world.parked.take_over(&world.log.topic(), 0);
    world.fails("a2", 1);
    world.tell("a", "a2").await;
    world.tell("b", "b1").await;
    until("it tried", async || {
        world.handled.count() == 2 && world.seen_of("a2").len() == 1
    })
    .await;
    // That nothing comes of it can only be seen by letting commit intervals pass.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((world.log.committed(0).await, world.parked.count()), (Some(1), 0));
    first.stop().await;
    assert_eq!(world.log.committed(0).await, Some(1));
    assert_eq!(world.log.size_of(&world.log.retry_topics()[0]).await, 0);

    let second = world.member(DELAY);
    world.settled().await;
    second.stop().await;
    assert_eq!(world.handled.values(0, Some("a")), ["a1", "a2"]);
}
