//! A projector stores its offset with the view, by an upsert.

use depot_consumer::OffsetSource as _;
use depot_test_stack::ServiceRole;
use projector::{OffsetsTable, PostgresWriter};
use sqlx::PgPool;

use crate::{
    ground::Ground,
    item_events::{batch, item},
    story::Story,
};

const TABLES: &str = "CREATE TABLE naive.counts (items bigint NOT NULL);
                      INSERT INTO naive.counts VALUES (0);
                      CREATE TABLE naive.offsets (partition integer PRIMARY KEY, next bigint NOT NULL)";
const PROJECTION: i32 = 1;

#[tokio::test]
async fn an_upserted_offset_is_set_back_by_a_projector_that_wakes_late() {
    let mut story = Story::of("offset_set_back");
    naive(&mut story).await;
    depot(&mut story).await;
    story.end();
}

/// The naive way: what a batch changes and where it ends, in one transaction.
async fn store(pool: &PgPool, created: i64, next: i64) {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("UPDATE naive.counts SET items = items + $1")
        .bind(created)
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO naive.offsets VALUES (0, $1) ON CONFLICT (partition) DO UPDATE SET next = EXCLUDED.next",
    )
    .bind(next)
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
}

async fn naive(story: &mut Story) {
    let ground = Ground::with(TABLES).await;
    let stands = async || -> (i64, i64) {
        sqlx::query_as("SELECT items, next FROM naive.counts, naive.offsets")
            .fetch_one(&ground.pool)
            .await
            .unwrap()
    };
    story.naive("count and offset in one transaction, the offset by an upsert");
    story.line("topic", "three items created, at offsets 0, 1, 2");
    story.line(
        "first",
        "has read 0 and 1; is stopped; its partition is given to the second",
    );
    store(&ground.pool, 3, 3).await;
    let (items, next) = stands().await;
    story.line(
        "second",
        format!("stores 0, 1, 2: {items} items, next offset {next}"),
    );
    store(&ground.pool, 2, 2).await;
    let (items, next) = stands().await;
    assert_eq!((items, next), (5, 2));
    story.line(
        "first",
        format!("wakes; stores 0, 1: {items} items, next offset {next}"),
    );
    store(&ground.pool, 1, 3).await;
    let (items, next) = stands().await;
    assert_eq!((items, next), (6, 3));
    story.line(
        "second",
        format!("begins at 2 after its restart: {items} items, next offset {next}"),
    );
    story.result("three items are counted as six");
}

async fn depot(story: &mut Story) {
    let ground = Ground::with("").await;
    let pool = ground.database.pool(ServiceRole::Projector).await;
    let offsets = OffsetsTable::new(pool.clone().into(), PROJECTION);
    let (first, second) = (
        PostgresWriter::new(pool.clone().into(), PROJECTION),
        PostgresWriter::new(pool.into(), PROJECTION),
    );
    let items = ["a", "b", "c"].map(item);
    let [a, b, c] = &items;
    let read_by_first = batch(0, &[a, b]);
    let stands = async || {
        let next = offsets.load(&read_by_first.topic, 0).await.unwrap();
        let counted = ground
            .count("SELECT coalesce(sum(items), 0)::bigint FROM read.owner_statistics")
            .await;
        (counted, next)
    };
    story.depot("the transaction begins by moving the offset from where it believes it to be");
    assert_eq!(stands().await, (0, 0));
    story.line("topic", "three items created, at offsets 0, 1, 2");
    story.line(
        "first",
        "has read 0 and 1; is stopped; its partition is given to the second",
    );
    assert_eq!(
        second.write(&[batch(0, &[a, b, c])]).await.unwrap().stored,
        [true]
    );
    let (items, next) = stands().await;
    assert_eq!((items, next), (3, 3));
    story.line(
        "second",
        format!("stores 0, 1, 2: {items} items, next offset {next}"),
    );
    assert_eq!(
        first
            .write(std::slice::from_ref(&read_by_first))
            .await
            .unwrap()
            .stored,
        [false]
    );
    let (items, next) = stands().await;
    assert_eq!((items, next), (3, 3));
    story.line(
        "first",
        format!("wakes; the offset is not 0: nothing is stored; {items} items, next offset {next}"),
    );
    story.result("three items are counted as three");
}
