//! What a batch reads, which is nothing of what others have written: plans are made while the tables are small, and kept.

use depot_consumer::Batch;
use depot_schemas::{Entity, Event};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{
    events::{batch, item, item_event, upload, upload_event},
    fixture::Fixture,
};

const EVENTS: i64 = 20;

/// A fixture with one connection, as it is after a start: what it plans, it plans before there is anything.
async fn with_one_connection() -> Fixture {
    let mut fixture = Fixture::new().await;
    let options = fixture.pool.connect_options().as_ref().clone();
    let one = PgPoolOptions::new().max_connections(1);
    fixture.pool = one.connect_with(options).await.unwrap();
    fixture
}

fn of(entity: Entity, number: i64) -> Batch<Event> {
    let event = |_| match entity {
        Entity::Uploads => upload_event(&upload("alice")),
        _ => item_event(&item("alice", &["x", "y"])),
    };
    batch(entity, 0, number * EVENTS, (0..EVENTS).map(event).collect())
}

/// Rows that this connection has fetched by now, from tables and through indexes.
async fn fetched(pool: &PgPool) -> i64 {
    sqlx::query("SELECT pg_stat_force_next_flush()")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query_scalar(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
         WHERE schemaname = 'read'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_batch_reads_as_much_when_there_are_many_rows_as_when_there_are_few() {
    for entity in [Entity::Items, Entity::Uploads] {
        let fixture = with_one_connection().await;
        let parts = fixture.parts();
        fixture.assign(&of(entity, 0)).await;
        let mut reads = Vec::new();
        for number in 0..100 {
            let before = fetched(&fixture.pool).await;
            parts.store.store(&[of(entity, number)]).await.unwrap();
            reads.push(fetched(&fixture.pool).await - before);
        }
        let (few, many) = (reads[10], reads[99]);
        assert!(many <= few * 2, "of {entity:?}: {reads:?}");
    }
}

#[tokio::test]
async fn the_upkeep_reads_the_rows_that_it_writes_and_no_others() {
    let fixture = with_one_connection().await;
    let parts = fixture.parts();
    for entity in [Entity::Items, Entity::Uploads] {
        fixture.assign(&of(entity, 0)).await;
    }
    parts.recover().await;
    let mut reads = Vec::new();
    for number in 0..100 {
        for entity in [Entity::Items, Entity::Uploads] {
            parts.writer.write(&[of(entity, number)]).await.unwrap();
        }
        let before = fetched(&fixture.pool).await;
        parts.upkeep.drain().await.unwrap();
        reads.push(fetched(&fixture.pool).await - before);
    }
    assert_eq!(fixture.count("pending_cache").await, 0);
    assert!(reads[99] <= reads[10] * 2, "{reads:?}");
}
