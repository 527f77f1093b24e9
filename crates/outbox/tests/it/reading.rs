//! What the relay reads, which is what it publishes: plans are made while the tables are empty, and kept.

use crate::support::{World, aggregate_in, backend_xid, drain};

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
