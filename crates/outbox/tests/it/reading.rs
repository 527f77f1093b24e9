//! What the relay reads, which is what it publishes: plans are made while the tables are empty, and kept.

use depot_outbox::{RelayOptions, StepOutcome};
use depot_test_stack::wait_until;

use crate::support::{World, aggregate_in, backend_xid, drain, versions_of};

const ROWS: i64 = 300;

/// Rows of the outbox that all connections that have ended have fetched.
async fn fetched(world: &World) -> i64 {
    sqlx::query_scalar(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
         WHERE relname LIKE 'outbox\\_p0%'",
    )
    .fetch_one(&world.owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_is_published_is_not_read_again_while_transactions_are_open() {
    let world = World::new().await;
    let (mut relay, _) = world.relay(world.options());
    let mut open = world.owner.begin().await.unwrap();
    backend_xid(&mut open).await;
    drain(&mut relay).await;
    let aggregate = aggregate_in(5);
    for version in 1..=ROWS {
        world.commit(aggregate, [version]).await;
        drain(&mut relay).await;
    }
    open.rollback().await.unwrap();
    // Its connections tell what they have read when they end.
    drop(relay);
    world.pool.close().await;
    let fetched = fetched(&world).await;
    assert_eq!(world.published().await.len() as i64, ROWS);
    // Each by the poll that finds it, and by those that come before it is acknowledged.
    assert!((ROWS..ROWS * 20).contains(&fetched), "{fetched} rows for {ROWS}");
}

#[tokio::test]
async fn a_page_is_sent_while_the_database_reads_the_next() {
    let world = World::new().await;
    let (page, all) = (10, 30);
    let (mut relay, _) = world.relay(RelayOptions {
        page_rows: 5,
        backlog_page_rows: page,
        ..world.options()
    });
    let aggregate = aggregate_in(5);
    world.commit(aggregate, 1..=all).await;
    let rows = page as usize;
    while relay.step().await.unwrap() != (StepOutcome::InFlight { rows }) {}
    let mut slow = world.owner.begin().await.unwrap();
    sqlx::query("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *slow)
        .await
        .unwrap();
    let sent = async {
        wait_until("the first page is in Kafka", || async {
            world.published().await.len() == rows
        })
        .await;
        slow.rollback().await.unwrap();
    };
    let (step, ()) = tokio::join!(relay.step(), sent);
    let _ = step.unwrap();
    drain(&mut relay).await;
    assert_eq!(
        versions_of(&world.published().await, aggregate),
        (1..=all).collect::<Vec<_>>()
    );
}
