//! The history's way from one table to partitions and back, with rows in it.

use depot_migrate::Passwords;
use depot_test_stack::{ServiceRole, TestDatabase};
use sqlx::{PgPool, postgres::PgConnectOptions};

/// Versions, with the partition in which each lies.
async fn rows(owner: &PgPool) -> Vec<(i64, String)> {
    sqlx::query_as(
        "SELECT h.version, c.relname::text FROM read.item_history h JOIN pg_class c ON c.oid = h.tableoid
         ORDER BY h.version",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

fn in_places(places: [&str; 3]) -> Vec<(i64, String)> {
    (1..).zip(places.map(str::to_owned)).collect()
}

/// Steps back until this migration of the schema `read` is undone, and with it those after it.
async fn down_before(owner: &PgConnectOptions, version: i64) {
    let is_applied = async || {
        let states = depot_migrate::status(owner).await.unwrap();
        let mut of_read = states.iter().filter(|state| state.schema == "read");
        of_read.any(|state| state.version == version && state.applied)
    };
    while is_applied().await {
        depot_migrate::migrate_down(owner).await.unwrap();
    }
}

async fn insert_by_the_release_before(pool: &PgPool) -> u64 {
    sqlx::query(
        r#"INSERT INTO read.item_history (projection, item_id, epoch, version, event_id, event_type, causation_id, actor,
                                          changed, item, occurred_at, topic, partition, "offset")
           SELECT 1, '0192f0c1-0000-7000-8000-000000000001', 0, v, gen_random_uuid(), 'depot.item.updated.v1',
                  gen_random_uuid(), 'alice', '{}', '{}',
                  now() + CASE v WHEN 1 THEN '-3 years' WHEN 2 THEN '0' ELSE '3 years' END::interval,
                  'depot.items.v1', 0, v
           FROM generate_series(1, 3) v
           WHERE NOT EXISTS (SELECT FROM read.item_history)
           UNION ALL
           SELECT projection, item_id, epoch, version, event_id, event_type, causation_id, actor, changed, item,
                  occurred_at, topic, partition, "offset" + 100
           FROM read.item_history
           ON CONFLICT DO NOTHING"#,
    )
    .execute(pool)
    .await
    .unwrap()
    .rows_affected()
}

#[tokio::test]
async fn a_filled_history_is_partitioned_and_made_one_table_again_without_losing_a_row() {
    let database = TestDatabase::create().await.unwrap();
    let options: PgConnectOptions = database.owner_url().parse().unwrap();
    let owner = database.owner_pool().await;
    let migrate = async || {
        depot_migrate::migrate(&options, &Passwords::default())
            .await
            .unwrap()
    };
    down_before(&options, 4).await;
    let one_table = in_places(["item_history"; 3]);
    let projector = database.pool(ServiceRole::Projector).await;
    assert_eq!(insert_by_the_release_before(&projector).await, 3);
    assert_eq!(rows(&owner).await, one_table);

    migrate().await;
    let partitioned = in_places(["item_history_first", "item_history_first", "item_history_default"]);
    assert_eq!(rows(&owner).await, partitioned);
    // On a connection that knew the table as it was.
    assert_eq!(insert_by_the_release_before(&projector).await, 0);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_constraint WHERE conname = 'item_history_first'")
            .fetch_one(&owner)
            .await
            .unwrap();
    assert_eq!(left, 0, "the check has done its work");

    down_before(&options, 6).await;
    // As between the steps up: what is dated behind the bound is set aside.
    assert_eq!(rows(&owner).await, one_table[..2]);
    migrate().await;
    assert_eq!(rows(&owner).await, partitioned);
    down_before(&options, 4).await;
    assert_eq!(rows(&owner).await, one_table);
    assert_eq!(insert_by_the_release_before(&projector).await, 0);
    migrate().await;
    assert_eq!(rows(&owner).await, partitioned);
}
