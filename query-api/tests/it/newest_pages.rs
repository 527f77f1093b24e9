//! The pages whose statement is planned once show what all the others show, and read what they show.

use std::collections::BTreeMap;

use depot_domain::ItemStatus;
use depot_service::database::Plans;
use depot_test_stack::{ServiceRole, TestDatabase};
use query_api::read::{
    Pools, Server, Views,
    item_pages::{ItemFilter, ItemSort, PageQuery, SortKey},
    rows::ItemRow,
};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::{
    harness::{Harness, Item},
    lists::walk,
};

/// Items of two owners and statuses; the creation of five at a time is at one moment.
async fn fill(pool: &PgPool, items: i32) {
    sqlx::query(
        "INSERT INTO read.items (projection, id, owner, name, description, tags, attributes, status, files,
             epoch, version, created_at, updated_at, deleted)
         SELECT 1, gen_random_uuid(), CASE n % 9 WHEN 0 THEN 'bob' ELSE 'alice' END, 'name', '', '{}', '{}',
             CASE n % 7 WHEN 0 THEN 'archived' ELSE 'active' END, '[]', 0, 1,
             '2026-01-31 12:00:00.123456Z'::timestamptz + n / 5 * interval '1 second', now(), n % 11 = 0
         FROM generate_series(1, $1) AS n",
    )
    .bind(items)
    .execute(pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_walk_without_a_limit_shows_what_the_table_has_in_its_order() {
    let harness = Harness::start().await;
    fill(&harness.pool, 700).await;
    for (filter, condition) in [
        ("", "true"),
        ("?owner=bob", "owner = 'bob'"),
        ("?status=archived", "status = 'archived'"),
        (
            "?status=archived&owner=bob",
            "status = 'archived' AND owner = 'bob'",
        ),
    ] {
        let statement = format!(
            "SELECT id FROM read.items WHERE NOT deleted AND {condition} ORDER BY created_at DESC, id DESC"
        );
        let expected: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_all(&harness.pool)
            .await
            .unwrap();
        let seen = walk(&harness, &format!("/api/v1/items{filter}"), async |_| ()).await;
        assert!(expected.len() > 5 && seen == expected, "{filter}: {seen:?}");
    }
    // One whose owner has nothing, and one that is new.
    assert!(
        walk(&harness, "/api/v1/items?owner=carol", async |_| ())
            .await
            .is_empty()
    );
    let newest = Item {
        owner: "carol",
        ..Item::default()
    };
    newest.put(&harness.pool).await;
    let seen = walk(&harness, "/api/v1/items?owner=carol", async |_| ()).await;
    assert_eq!(seen, [newest.id]);
}

/// Rows of the items that statements have read.
async fn read_rows(pool: &PgPool) -> i64 {
    sqlx::query("SELECT pg_stat_force_next_flush()")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query_scalar(
        "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
         WHERE schemaname = 'read' AND relname = 'items'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_page_whose_plan_is_kept_reads_its_rows_and_no_others() {
    let database = TestDatabase::create().await.unwrap();
    let owner = database.owner_pool().await;
    // Plans belong to a connection: one has them all.
    let options: PgConnectOptions = database.url(ServiceRole::Query).parse().unwrap();
    let options = options.options(Plans::Ordered.options().iter().copied());
    let one = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    // A page by the other pool would wait for a connection in vain.
    let none = PgPoolOptions::new()
        .connect_lazy("postgres://127.0.0.1:9/none")
        .unwrap();
    let pools = Pools {
        point: none.clone().into(),
        search: none.into(),
        newest: one.clone().into(),
    };
    let views = Views::new(Server::Primary, pools, 10);
    let of_all = ItemFilter::default();
    let of_bob = ItemFilter {
        owner: Some("bob".to_owned()),
        ..ItemFilter::default()
    };
    let archived = ItemFilter {
        status: Some(ItemStatus::Archived),
        ..ItemFilter::default()
    };
    // What is planned while there is nothing is kept when there is much.
    for filter in [&of_all, &of_bob, &archived] {
        for after in [
            None,
            Some(&(SortKey::Time(Item::default().created_at), Uuid::nil())),
        ] {
            assert!(views.item_page(&newest(filter, after)).await.unwrap().is_empty());
        }
    }
    fill(&owner, 5_000).await;
    let mut more = BTreeMap::new();
    for (name, filter) in [("all", &of_all), ("owner", &of_bob), ("status", &archived)] {
        let mut after = None;
        for page in 0..6 {
            let before = read_rows(&one).await;
            let query = newest(filter, after.as_ref());
            let rows: Vec<ItemRow> = views.item_page(&query).await.unwrap();
            assert_eq!(rows.len(), 51);
            more.insert((name, page), read_rows(&one).await - before);
            after = rows.last().map(|last| (query.sort.key_of(last), last.id));
        }
    }
    more.retain(|_, rows| *rows > 60);
    assert!(more.is_empty(), "rows read for pages of 51: {more:?}");
}

fn newest<'a>(filter: &'a ItemFilter, after: Option<&'a (SortKey, Uuid)>) -> PageQuery<'a> {
    PageQuery {
        filter,
        sort: ItemSort::CreatedAtDescending,
        after,
        limit: 51,
    }
}
