use std::time::Duration;

use depot_outbox::append;
use uuid::Uuid;

use crate::support::{World, aggregate_in, backend_xid, drain, versions_of};

#[tokio::test]
async fn a_late_commit_with_an_earlier_id_and_transaction_is_published() {
    let world = World::new().await;
    let (early, late) = (aggregate_in(7), aggregate_in(7));
    let (mut relay, _) = world.relay(world.options());
    let mut slow = world.pool.begin().await.unwrap();
    append(&mut slow, vec![world.event(late, 1)]).await.unwrap();
    // It commits behind the slow one's back, in the same shard, and the relay lets go of it.
    world.commit(early, [1]).await;
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(
        (versions_of(&published, early), versions_of(&published, late)),
        (vec![1], vec![])
    );

    slow.commit().await.unwrap();
    drain(&mut relay).await;
    assert_eq!(versions_of(&world.published().await, late), [1]);

    // And the same by a relay that starts from what was written.
    let mut slow = world.pool.begin().await.unwrap();
    append(&mut slow, vec![world.event(late, 2)]).await.unwrap();
    world.commit(early, [2]).await;
    drain(&mut relay).await;
    let _ = relay.step().await.unwrap();
    world.kill(relay).await;
    slow.commit().await.unwrap();
    let (mut successor, _) = world.relay(world.options());
    drain(&mut successor).await;
    let published = world.published().await;
    assert_eq!(
        (versions_of(&published, early), versions_of(&published, late)),
        (vec![1, 2], vec![1, 2])
    );
}

#[tokio::test]
async fn an_older_transaction_that_waited_for_the_row_lock_does_not_come_first() {
    let world = World::new().await;
    let id = Uuid::now_v7();
    sqlx::query("CREATE TABLE versions AS SELECT 0::bigint AS version")
        .execute(&world.owner)
        .await
        .unwrap();
    sqlx::query("GRANT SELECT, UPDATE ON versions TO depot_command")
        .execute(&world.owner)
        .await
        .unwrap();
    let raise = "UPDATE versions SET version = version + 1 RETURNING version";

    // The older transaction has its id, and even has drawn an id for its event, before the newer one begins. (Only the
    // owner may insert an id of his choice.)
    let mut older = world.owner.begin().await.unwrap();
    let older_xid = backend_xid(&mut older).await;
    let older_id: i64 = sqlx::query_scalar("SELECT nextval('outbox_id_seq')")
        .fetch_one(&mut *older)
        .await
        .unwrap();
    let mut newer = world.pool.begin().await.unwrap();
    assert!(backend_xid(&mut newer).await > older_xid);
    let version: i64 = sqlx::query_scalar(raise).fetch_one(&mut *newer).await.unwrap();
    append(&mut newer, vec![world.event(id, version)]).await.unwrap();

    let event = world.event(id, 2).into_row().unwrap();
    let waits = async {
        let version: i64 = sqlx::query_scalar(raise).fetch_one(&mut *older).await.unwrap();
        assert_eq!(version, 2);
        sqlx::query(
            "INSERT INTO outbox (id, shard, topic, aggregate_id, aggregate_version, event_id, event_type, occurred_at,
                                 headers, payload)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(older_id)
        .bind(event.shard)
        .bind(event.topic)
        .bind(event.aggregate_id)
        .bind(event.aggregate_version)
        .bind(event.event_id)
        .bind(event.event_type)
        .bind(event.occurred_at)
        .bind(event.headers)
        .bind(event.payload)
        .execute(&mut *older)
        .await
        .unwrap();
        older.commit().await.unwrap();
    };
    let (_, ()) = tokio::join!(waits, async { newer.commit().await.unwrap() });
    let (mut relay, _) = world.relay(world.options());
    drain(&mut relay).await;
    assert_eq!(versions_of(&world.published().await, id), [1, 2]);
}

#[tokio::test]
async fn a_transaction_held_open_neither_stalls_nor_loses() {
    let world = World::new().await;
    let (mut relay, _) = world.relay(world.options());
    // A snapshot held by a reader, and a writer that has appended and does not commit.
    let mut reader = world.pool.begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut *reader)
        .await
        .unwrap();
    sqlx::query("SELECT count(*) FROM outbox")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    let held_back = aggregate_in(9);
    let mut writer = world.pool.begin().await.unwrap();
    append(&mut writer, vec![world.event(held_back, 1)])
        .await
        .unwrap();

    let busy = aggregate_in(9);
    for version in 1..=50 {
        world.commit(busy, [version]).await;
        if version % 10 == 0 {
            drain(&mut relay).await;
            assert_eq!(
                versions_of(&world.published().await, busy),
                (1..=version).collect::<Vec<_>>()
            );
        }
    }
    writer.commit().await.unwrap();
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(versions_of(&published, held_back), [1]);
    assert_eq!(
        versions_of(&published, busy).len(),
        50,
        "a row was published twice"
    );
    reader.commit().await.unwrap();
}

#[tokio::test]
async fn a_backlog_of_many_pages_keeps_the_order() {
    let world = World::new().await;
    let ids: Vec<Uuid> = (0..5)
        .map(|_| aggregate_in(11))
        .chain([aggregate_in(12)])
        .collect();
    for version in 1..=40 {
        for id in &ids {
            world.commit(*id, [version]).await;
        }
    }
    let mut options = world.options();
    options.page_rows = 7;
    options.backlog_page_rows = 13;
    let (mut relay, _) = world.relay(options);
    // Committed while the pages are on their way: it belongs to a later set.
    step_a_few_times(&mut relay).await;
    for id in &ids {
        world.commit(*id, [41]).await;
    }
    drain(&mut relay).await;
    let published = world.published().await;
    for id in ids {
        assert_eq!(versions_of(&published, id), (1..=41).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_transaction_of_many_pages_that_commits_late_keeps_the_order() {
    let world = World::new().await;
    let (late, early) = (aggregate_in(11), aggregate_in(11));
    let mut options = world.options();
    (options.page_rows, options.backlog_page_rows) = (7, 13);
    let (mut relay, _) = world.relay(options);
    let mut slow = world.pool.begin().await.unwrap();
    let events = (1..=60).map(|version| world.event(late, version)).collect();
    append(&mut slow, events).await.unwrap();
    for version in 1..=30 {
        world.commit(early, [version]).await;
    }
    drain(&mut relay).await;
    slow.commit().await.unwrap();
    world.commit(late, [61, 62]).await;
    world.commit(early, 31..=60).await;
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(versions_of(&published, late), (1..=62).collect::<Vec<_>>());
    assert_eq!(versions_of(&published, early), (1..=60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_ends_with_its_bytes_too() {
    let world = World::new().await;
    let id = Uuid::now_v7();
    let events = (1..=30)
        .map(|version| world.event_with(id, version, vec![b'x'; 10_000]))
        .collect();
    world.commit_events(events).await;
    let mut options = world.options();
    options.page_bytes = 25_000;
    options.backlog_page_bytes = 1;
    let (mut relay, _) = world.relay(options);
    drain(&mut relay).await;
    assert_eq!(
        versions_of(&world.published().await, id),
        (1..=30).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_backlog_is_not_published_from_its_start_again_by_the_next_relay() {
    let world = World::new().await;
    let id = Uuid::now_v7();
    for version in 1..=60 {
        world.commit(id, [version]).await;
    }
    let mut options = world.options();
    options.page_rows = 5;
    options.backlog_page_rows = 5;
    let (mut relay, handle) = world.relay(options.clone());
    crate::support::step_until("some pages are done", &mut relay, || {
        handle.status().rows_published >= 30
    })
    .await;
    let _ = relay.step().await.unwrap();
    let let_go = handle.status().rows_published;
    world.kill(relay).await;
    let (mut successor, _) = world.relay(options);
    drain(&mut successor).await;
    let published = world.published().await;
    assert_eq!(
        crate::support::first_occurrences(&published, id),
        (1..=60).collect::<Vec<_>>()
    );
    // At most the pages that were in flight are there twice, never those let go before.
    assert!(
        published.len() < 60 + 30,
        "{} messages, {let_go} had been let go",
        published.len()
    );
}

async fn step_a_few_times(relay: &mut depot_outbox::Relay) {
    for _ in 0..3 {
        let _ = relay.step().await.unwrap();
        relay.woken(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_state_that_is_told_once_more_follows_its_version_and_parks_nobody() {
    let world = World::new().await;
    let (told, wrong) = (aggregate_in(7), aggregate_in(7));
    let (mut relay, handle) = world.relay(world.options());
    let mut snapshot = world.event(told, 2);
    snapshot.event_type = "depot.item.snapshot.v1".to_owned();
    let events = vec![
        world.event(told, 1),
        world.event(told, 2),
        snapshot,
        world.event(told, 3),
        world.event(wrong, 1),
        // Anything else in a version that was told is of a writer that did not hold the lock.
        world.event(wrong, 1),
    ];
    world.commit_events(events).await;
    drain(&mut relay).await;
    let published = world.published().await;
    assert_eq!(versions_of(&published, told), [1, 2, 2, 3]);
    assert_eq!(versions_of(&published, wrong), [1]);
    assert_eq!(handle.status().parked_aggregates, 1);
}
