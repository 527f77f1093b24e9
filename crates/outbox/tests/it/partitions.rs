use depot_outbox::append;
use uuid::Uuid;

use crate::support::{World, aggregate_in, drain, versions_of};

/// Small partitions from id 5,000,001 on, and the next id is the first of them.
async fn with_small_partitions(world: &World) {
    let statement = "SELECT setval('outbox_id_seq', 5000000), outbox_add_partitions(10, 3)";
    sqlx::query(statement).execute(&world.owner).await.unwrap();
}

async fn drop_partition(world: &World, name: &str) -> String {
    sqlx::query_scalar("SELECT outbox_drop_partition($1)")
        .bind(name)
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

async fn partitions(world: &World) -> Vec<String> {
    sqlx::query_scalar("SELECT name FROM outbox_partitions ORDER BY from_id")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

const FIRST_SMALL: &str = "outbox_p000000005000001";

#[tokio::test]
async fn a_partition_with_an_open_writers_row_is_not_dropped() {
    let world = World::new().await;
    with_small_partitions(&world).await;
    let (mut relay, _) = world.relay(world.options());
    let id = aggregate_in(2);
    let mut writer = world.pool.begin().await.unwrap();
    append(&mut writer, vec![world.event(id, 1)]).await.unwrap();
    // Everything else in its partition is published, and the ids have gone on.
    world.commit(aggregate_in(3), 1..=15).await;
    drain(&mut relay).await;
    assert_eq!(drop_partition(&world, FIRST_SMALL).await, "busy");

    // Committed, and not yet published.
    writer.commit().await.unwrap();
    assert_eq!(drop_partition(&world, FIRST_SMALL).await, "unread");
    drain(&mut relay).await;
    // One more step writes the position.
    let _ = relay.step().await.unwrap();
    assert_eq!(versions_of(&world.published().await, id), [1]);
    assert_eq!(drop_partition(&world, FIRST_SMALL).await, "dropped");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE id <= 5000010")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_writer_that_commits_while_the_drop_waits_for_it_loses_nothing() {
    let world = World::new().await;
    with_small_partitions(&world).await;
    let (mut relay, _) = world.relay(world.options());
    world.commit(aggregate_in(3), 1..=9).await;
    let id = aggregate_in(2);
    let mut writer = world.pool.begin().await.unwrap();
    append(&mut writer, vec![world.event(id, 1)]).await.unwrap();
    world.commit(aggregate_in(4), 1..=5).await;
    drain(&mut relay).await;
    let _ = relay.step().await.unwrap();
    // Unseen by any position when the drop begins; committed while it waits for the lock.
    let commits = async {
        depot_test_stack::wait_until("the drop waits", async || {
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
                .fetch_one(&world.owner)
                .await
                .unwrap()
        })
        .await;
        writer.commit().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(drop_waiting_longer(&world), commits);
    assert_eq!(outcome, "unread");
    drain(&mut relay).await;
    assert_eq!(versions_of(&world.published().await, id), [1]);
}

/// The function as it is, with a lock time-out that a busy machine does not reach.
async fn drop_waiting_longer(world: &World) -> String {
    sqlx::query("ALTER FUNCTION outbox_drop_partition(text) SET lock_timeout = '60s'")
        .execute(&world.owner)
        .await
        .unwrap();
    drop_partition(world, FIRST_SMALL).await
}

#[tokio::test]
async fn a_partition_is_kept_while_its_ids_may_still_be_drawn() {
    let world = World::without_topic().await;
    with_small_partitions(&world).await;
    world.commit(Uuid::now_v7(), [1]).await;
    assert_eq!(drop_partition(&world, FIRST_SMALL).await, "current");
}

#[tokio::test]
async fn the_relay_adds_partitions_ahead_and_drops_those_behind() {
    let world = World::new().await;
    with_small_partitions(&world).await;
    let mut options = world.options();
    (options.partition_rows, options.partitions_ahead) = (10, 3);
    options.upkeep_interval = std::time::Duration::from_millis(1);
    let (mut relay, _) = world.relay(options);
    let id = Uuid::now_v7();
    for version in 1..=100 {
        world.commit(id, [version]).await;
        if version % 10 == 0 {
            let _ = relay.step().await.unwrap();
        }
    }
    drain(&mut relay).await;
    assert_eq!(
        versions_of(&world.published().await, id),
        (1..=100).collect::<Vec<_>>()
    );
    let mut steps = 0;
    while partitions(&world)
        .await
        .first()
        .is_some_and(|name| name.as_str() <= "outbox_p000000005000080")
    {
        let _ = relay.step().await.unwrap();
        relay.woken(std::time::Duration::from_millis(10)).await;
        steps += 1;
        assert!(steps < 1_000, "{:?}", partitions(&world).await);
    }
    let newest: i64 = sqlx::query_scalar("SELECT last_value FROM outbox_id_seq")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let ahead: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox_partitions WHERE from_id > $1")
        .bind(newest)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(ahead, 3);
}

#[tokio::test]
async fn inserts_do_not_wait_for_a_partition_to_be_added() {
    let world = World::without_topic().await;
    let mut writer = world.pool.begin().await.unwrap();
    append(&mut writer, vec![world.event(Uuid::now_v7(), 1)])
        .await
        .unwrap();
    // Added beside an open writer, and another writes before the addition commits.
    let mut adding = world.pool.begin().await.unwrap();
    let added: i32 = sqlx::query_scalar("SELECT outbox_add_partitions(10, 6)")
        .fetch_one(&mut *adding)
        .await
        .unwrap();
    assert!(added > 0);
    world.commit(Uuid::now_v7(), [1]).await;
    adding.commit().await.unwrap();
    writer.commit().await.unwrap();
}
