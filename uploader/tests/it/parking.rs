//! Retry topics on real Kafka and the real table: order per key, nothing lost, whatever is interrupted where.

mod crashing;
mod story;
mod world;

use std::sync::Mutex;

use depot_consumer::{Origin, ParkedKeys as _, Place, Slot, Tenure, TenureLost, header};
use depot_test_stack::wait_until;
use rdkafka::{
    Message as _,
    message::{Header, OwnedHeaders},
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uploader::ParkedUploads;
use uuid::Uuid;

use crashing::Crashing;
use story::Story;
use world::{World, texts};

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

/// Only a copy that finds no row was at its end before. What names no origin was put there by hand, or by somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_copy_is_handled_or_a_dead_letter_and_never_passed_in_silence() {
    let world = World::new(1).await;
    let story = Story::default();
    let [first, ..] = world.topics.names().retries();
    for value in ["bad", "a1"] {
        world.put(&first, 0, "a", value, OwnedHeaders::new()).await;
    }
    let member = world.member(&story);
    world.settled().await;
    member.stop().await;
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload(), Some(b"bad".as_slice()));
    assert_eq!(story.of("a"), ["a1"]);
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
