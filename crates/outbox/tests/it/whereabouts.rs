use depot_outbox::{Whereabouts, find_event, whereabouts};
use uuid::Uuid;

use crate::support::{World, aggregate_in, drain};

async fn look(world: &World, id: Uuid) -> Whereabouts {
    let mut conn = world.pool.acquire().await.unwrap();
    whereabouts(&mut conn, id).await.unwrap()
}

/// `(version, is_let_go)` of the rows that are there.
fn rows(whereabouts: &Whereabouts) -> Vec<(i64, bool)> {
    let rows = whereabouts.rows.iter();
    rows.map(|row| (row.aggregate_version, row.is_let_go)).collect()
}

#[tokio::test]
async fn an_aggregates_rows_wait_until_the_stored_position_sees_them() {
    let world = World::new().await;
    let (id, other) = (aggregate_in(6), aggregate_in(6));
    world.commit(id, [1, 2]).await;
    world.commit(other, [1]).await;
    let before = look(&world, id).await;
    assert_eq!((before.shard, &before.holder, &before.parked), (6, &None, &None));
    assert_eq!(rows(&before), [(2, false), (1, false)]);

    let (mut relay, _) = world.relay(world.options());
    drain(&mut relay).await;
    // The position is written by the step after the one that was acknowledged.
    let mut after = look(&world, id).await;
    for _ in 0..100 {
        if after.rows.iter().all(|row| row.is_let_go) {
            break;
        }
        let _ = relay.step().await.unwrap();
        after = look(&world, id).await;
    }
    assert_eq!(rows(&after), [(2, true), (1, true)]);
    assert_eq!(after.holder.unwrap().instance, "test");
    world.commit(id, [3]).await;
    assert_eq!(rows(&look(&world, id).await), [(3, false), (2, true), (1, true)]);
    world.kill(relay).await;
    assert_eq!(look(&world, id).await.holder, None, "its lease has run out");
}

#[tokio::test]
async fn an_aggregate_that_is_parked_says_why() {
    let world = World::without_topic().await;
    let id = aggregate_in(6);
    sqlx::query(
        "INSERT INTO outbox_parked_aggregates (aggregate_id, shard, reason) VALUES ($1, 6, 'too large')",
    )
    .bind(id)
    .execute(&world.owner)
    .await
    .unwrap();
    let parked = look(&world, id).await.parked.unwrap();
    assert_eq!(
        (&*parked.reason, parked.resume_requested, parked.rows),
        ("too large", false, 0)
    );
    assert_eq!(look(&world, aggregate_in(6)).await.parked, None);
}

#[tokio::test]
async fn an_event_is_found_by_its_id() {
    let world = World::without_topic().await;
    let id = aggregate_in(6);
    let event = world.event(id, 7);
    let event_id = event.event_id;
    world.commit_events(vec![world.event(id, 6), event]).await;
    let mut conn = world.pool.acquire().await.unwrap();
    let found = find_event(&mut conn, event_id).await.unwrap().unwrap();
    assert_eq!((found.aggregate_id, found.aggregate_version), (id, 7));
    assert_eq!(found.topic, world.topic);
    assert_eq!(find_event(&mut conn, id).await.unwrap(), None);
}
