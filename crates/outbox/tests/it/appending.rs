use depot_outbox::{AppendError, InvalidEvent, MAX_EVENT_BYTES, append};
use uuid::Uuid;

use crate::support::{World, aggregate_in, drain, versions_of};

#[tokio::test]
async fn an_event_arrives_with_its_key_headers_and_bytes() {
    let world = World::new().await;
    let id = aggregate_in(3);
    let mut event = world.event_with(id, 1, b"{\"a\":\"\xc3\xa4\"}\n".to_vec());
    event
        .headers
        .push(("traceparent".to_owned(), "00-ab-cd-01".to_owned()));
    let (mut relay, _) = world.relay(world.options());
    world.commit_events(vec![event.clone()]).await;
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].aggregate_id, id);
    assert_eq!(published[0].payload, event.payload);
    assert_eq!(published[0].headers, event.headers);
    let milliseconds = event.occurred_at.unix_timestamp_nanos() / 1_000_000;
    assert_eq!(published[0].timestamp.map(i128::from), Some(milliseconds));
}

#[tokio::test]
async fn many_events_are_appended_in_one_statement_and_arrive_in_order() {
    let world = World::new().await;
    let ids: Vec<Uuid> = (0..20).map(|_| Uuid::now_v7()).collect();
    let events = (1..=25).flat_map(|version| ids.iter().map(move |id| (*id, version)));
    world
        .commit_events(events.map(|(id, version)| world.event(id, version)).collect())
        .await;
    let (mut relay, handle) = world.relay(world.options());
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(published.len(), 500);
    assert_eq!(handle.status().rows_published, 500);
    for id in ids {
        assert_eq!(versions_of(&published, id), (1..=25).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn nothing_is_published_of_a_transaction_that_rolls_back() {
    let world = World::new().await;
    let (kept, undone) = (aggregate_in(1), aggregate_in(1));
    let mut transaction = world.pool.begin().await.unwrap();
    append(&mut transaction, vec![world.event(undone, 1)])
        .await
        .unwrap();
    let (mut relay, _) = world.relay(world.options());
    drain(&mut relay).await;
    transaction.rollback().await.unwrap();
    world.commit(kept, [1]).await;
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(versions_of(&published, undone), [0_i64; 0]);
    assert_eq!(versions_of(&published, kept), [1]);
}

#[tokio::test]
async fn an_event_over_half_of_the_topics_limit_is_refused_and_nothing_is_written() {
    let world = World::without_topic().await;
    let id = Uuid::now_v7();
    let mut transaction = world.pool.begin().await.unwrap();
    let events = vec![
        world.event(id, 1),
        world.event_with(id, 2, vec![b' '; MAX_EVENT_BYTES]),
    ];
    let refused = append(&mut transaction, events).await.unwrap_err();
    assert!(
        matches!(&refused, AppendError::Invalid(InvalidEvent::TooLarge { size_bytes, .. }) if *size_bytes > MAX_EVENT_BYTES),
        "{refused:?}"
    );
    transaction.commit().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn the_service_can_neither_change_nor_remove_what_it_appended() {
    let world = World::without_topic().await;
    world.commit(Uuid::now_v7(), [1]).await;
    for statement in [
        "UPDATE outbox SET payload = ''",
        "DELETE FROM outbox",
        "TRUNCATE outbox",
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&world.pool)
            .await;
        assert!(refused.is_err(), "{statement}");
    }
}
