//! What a batch reads, which is nothing of what others have written: plans are made while the tables are empty, and again when
//! they were vacuumed while they are small, and kept.

use depot_consumer::Batch;
use depot_schemas::{Entity, Event};
use depot_service::database::Plans;
use sqlx::{AssertSqlSafe, Executor as _, PgPool, postgres::PgPoolOptions};

use crate::{
    events::{batch, item, item_event, upload, upload_event},
    fixture::Fixture,
};

const EVENTS: i64 = 20;

/// A fixture with one connection, as it is after a start: what it plans, it plans before there is anything.
async fn with_one_connection() -> Fixture {
    let mut fixture = Fixture::new().await;
    let options = fixture.pool.connect_options().as_ref().clone();
    let options = options.options(Plans::Kept.options().iter().copied());
    let one = PgPoolOptions::new().max_connections(1);
    fixture.pool = one.connect_with(options).await.unwrap().into();
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

/// So many batches are there when everything is planned again, by what is known of the tables then.
const SMALL: i64 = 5;

async fn vacuum(fixture: &Fixture) {
    let owner = fixture.database.owner_pool().await;
    owner.execute("VACUUM ANALYZE").await.unwrap();
}

fn are_alike(reads: &[i64]) -> bool {
    reads.iter().max().unwrap() <= &(reads.iter().min().unwrap() * 2)
}

#[tokio::test]
async fn a_batch_reads_as_much_when_there_are_many_rows_as_when_there_are_few() {
    for entity in [Entity::Items, Entity::Uploads] {
        let fixture = with_one_connection().await;
        let parts = fixture.parts();
        fixture.assign(&of(entity, 0)).await;
        let mut reads = Vec::new();
        for number in 0..100 {
            if number == SMALL {
                vacuum(&fixture).await;
            }
            let before = fetched(&fixture.pool).await;
            parts.store.store(&[of(entity, number)]).await.unwrap();
            reads.push(fetched(&fixture.pool).await - before);
        }
        assert!(are_alike(&reads), "of {entity:?}: {reads:?}");
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
        if number == SMALL {
            vacuum(&fixture).await;
        }
        for entity in [Entity::Items, Entity::Uploads] {
            parts.writer.write(&[of(entity, number)]).await.unwrap();
        }
        let before = fetched(&fixture.pool).await;
        parts.upkeep.drain().await.unwrap();
        reads.push(fetched(&fixture.pool).await - before);
    }
    assert_eq!(fixture.count("pending_cache").await, 0);
    assert!(are_alike(&reads), "{reads:?}");
}

/// A planner that does not know how many rows come could compare each with each.
#[tokio::test]
async fn the_kept_plan_joins_what_a_batch_brings_with_what_is_there_by_hashing_or_merging() {
    let fixture = with_one_connection().await;
    let statement = include_str!("../../src/projections/store_items.sql");
    let types = "integer, uuid[], text[], text[], text[], jsonb[], jsonb[], text[], jsonb[], integer[], bigint[], \
                 timestamptz[], timestamptz[], boolean[], uuid[], integer[], bigint[], uuid[], text[], uuid[], text[], \
                 jsonb[], jsonb[], timestamptz[], text[], integer[], bigint[]";
    let prepare = format!("PREPARE stored ({types}) AS {statement}");
    fixture.pool.execute(AssertSqlSafe(prepare)).await.unwrap();
    let nulls = vec!["NULL"; 26].join(", ");
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE stored (1, {nulls})");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    let plan = lines.join("\n");
    let joins = lines.iter().filter(|line| {
        let condition = line.trim_start();
        condition.starts_with("Hash Cond: (o") || condition.starts_with("Merge Cond: (o")
    });
    assert_eq!(joins.count(), 2, "{plan}");
    assert!(
        plan.contains("Index Cond: ((projection = $1) AND (id = wanted.id))"),
        "{plan}"
    );
}
