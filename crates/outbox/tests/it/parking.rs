use depot_outbox::resume;
use rdkafka::admin::{AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use uuid::Uuid;

use crate::support::{World, admin, aggregate_in, drain, first_occurrences, step_until, versions_of};

/// Bytes that no compression makes smaller.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = Uuid::now_v7().as_u128() as u64 | 1;
    let mut next = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
}

async fn raise_limit(topic: &str) {
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", "1048576");
    let altered = admin()
        .alter_configs([&config], &AdminOptions::new())
        .await
        .unwrap();
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
}

async fn parked_versions(world: &World, id: Uuid) -> Vec<i64> {
    sqlx::query_scalar("SELECT aggregate_version FROM outbox_parked WHERE aggregate_id = $1 ORDER BY 1")
        .bind(id)
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_aggregate_whose_row_kafka_refuses_parks_and_resumes_in_order_while_its_shard_goes_on() {
    let world = World::with_topic(&[("max.message.bytes", "20000")]).await;
    let (refused, other, elsewhere) = (aggregate_in(6), aggregate_in(6), aggregate_in(40));
    let (mut relay, handle) = world.relay(world.options());
    let mut events = Vec::new();
    for version in 1..=5 {
        for id in [refused, other, elsewhere] {
            let payload = if id == refused && version == 3 {
                noise(60_000)
            } else {
                noise(100)
            };
            events.push(world.event_with(id, version, payload));
        }
    }
    world.commit_events(events).await;
    step_until("the aggregate is parked", &mut relay, || {
        handle.status().parked_aggregates == 1
    })
    .await;
    drain(&mut relay).await;
    // What follows of it is parked behind, also by the relay that has the shard next.
    world.commit(refused, [6]).await;
    drain(&mut relay).await;
    let _ = relay.step().await.unwrap();
    world.kill(relay).await;
    let (mut relay, handle) = world.relay(world.options());
    world.commit(refused, [7]).await;
    world.commit(other, [6]).await;
    drain(&mut relay).await;

    let published = world.published().await;
    for id in [other, elsewhere] {
        let last = if id == other { 6 } else { 5 };
        assert_eq!(first_occurrences(&published, id), (1..=last).collect::<Vec<_>>());
    }
    assert_eq!(first_occurrences(&published, refused), [1, 2]);
    let parked = parked_versions(&world, refused).await;
    assert!(parked.ends_with(&[3, 4, 5, 6, 7]), "{parked:?}");
    let reason: String =
        sqlx::query_scalar("SELECT reason FROM outbox_parked_aggregates WHERE aggregate_id = $1")
            .bind(refused)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert!(reason.contains("refused"), "{reason}");

    // Resumed while Kafka still refuses it: parked again, nothing is lost.
    assert!(resume(&world.pool, refused).await.unwrap());
    let asked = async |world: &World| -> bool {
        sqlx::query_scalar("SELECT resume_requested FROM outbox_parked_aggregates WHERE aggregate_id = $1")
            .bind(refused)
            .fetch_one(&world.pool)
            .await
            .unwrap()
    };
    while asked(&world).await {
        let _ = relay.step().await.unwrap();
        relay.woken(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(first_occurrences(&world.published().await, refused), [1, 2]);

    raise_limit(&world.topic).await;
    assert!(resume(&world.pool, refused).await.unwrap());
    step_until("it is resumed", &mut relay, || {
        handle.status().parked_aggregates == 0
    })
    .await;
    world.commit(refused, [8]).await;
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(
        first_occurrences(&published, refused),
        (1..=8).collect::<Vec<_>>()
    );
    assert_eq!(parked_versions(&world, refused).await, [0_i64; 0]);
    assert!(!resume(&world.pool, refused).await.unwrap());
}

#[tokio::test]
async fn a_batch_that_is_too_large_parks_nobody() {
    // Each message fits, and what the client puts together does not.
    let world = World::with_topic(&[("max.message.bytes", "20000")]).await;
    let id = Uuid::now_v7();
    let events = (1..=40)
        .map(|version| world.event_with(id, version, noise(5_000)))
        .collect();
    world.commit_events(events).await;
    let (mut relay, handle) = world.relay(world.options());
    drain(&mut relay).await;
    assert_eq!(
        first_occurrences(&world.published().await, id),
        (1..=40).collect::<Vec<_>>()
    );
    assert_eq!(handle.status().parked_aggregates, 0);
    assert_eq!(parked_versions(&world, id).await, [0_i64; 0]);
}

#[tokio::test]
async fn a_version_that_comes_after_a_newer_one_is_parked() {
    let world = World::new().await;
    let id = Uuid::now_v7();
    // The same version twice: whoever wrote it did not hold the row's lock.
    world.commit(id, [1, 2, 2, 3]).await;
    let (mut relay, handle) = world.relay(world.options());
    drain(&mut relay).await;
    assert_eq!(handle.status().parked_aggregates, 1);
    assert_eq!(versions_of(&world.published().await, id), [1, 2]);
    assert_eq!(parked_versions(&world, id).await, [2, 3]);
}

#[tokio::test]
async fn rows_for_a_topic_that_is_not_there_wait_for_it() {
    let world = World::without_topic().await;
    let id = Uuid::now_v7();
    world.commit(id, [1]).await;
    let (mut relay, handle) = world.relay(world.options());
    let missing = relay.step().await.unwrap_err();
    assert!(
        matches!(&missing, depot_outbox::RelayError::Topic { topic, .. } if *topic == world.topic),
        "{missing}"
    );
    assert!(handle.readiness().is_ok(), "commands go on being accepted");
    create(&world.topic).await;
    // The broker may answer from before for a moment.
    while relay.step().await.is_err() {
        relay.woken(std::time::Duration::from_millis(50)).await;
    }
    drain(&mut relay).await;
    assert_eq!(versions_of(&world.published().await, id), [1]);
}

async fn create(topic: &str) {
    let topic = NewTopic::new(topic, 3, TopicReplication::Fixed(1));
    let created = admin()
        .create_topics([&topic], &AdminOptions::new())
        .await
        .unwrap();
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}
