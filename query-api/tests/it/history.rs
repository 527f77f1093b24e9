//! The history of an item over the partitions of its table, and what is answered where a part of it is no longer kept.

use depot_proto::v1::{self, query_service_client::QueryServiceClient};
use depot_test_stack::backdate_history;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};
use tonic::Code;

use crate::{
    grpc::{by_reader, channel, reason},
    harness::{Harness, Item, REDRIVEN, TOPIC, put_offset},
};

fn days_ago(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() - Duration::days(days)
}

/// The versions on all pages, from this path on, and how many pages there were.
async fn walk(harness: &Harness, path: String) -> (Vec<i64>, usize) {
    let (mut path, mut versions, mut pages) = (path, Vec::new(), 0);
    loop {
        let reply = harness.get(&path).await;
        assert_eq!(reply.status, 200);
        pages += 1;
        let body = reply.json();
        let changes = body["changes"].as_array().unwrap();
        versions.extend(changes.iter().map(|change| change["version"].as_i64().unwrap()));
        let Some(link) = reply.header("link") else {
            assert!(body["next_cursor"].is_null());
            return (versions, pages);
        };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
}

fn path(item: &Item, limit: usize) -> String {
    format!("/api/v1/items/{}/history?limit={limit}", item.id)
}

/// An item with a version of each of these times, and partitions of ten days for the last hundred.
async fn item_of(harness: &Harness, times: &[OffsetDateTime]) -> Item {
    backdate_history(&harness.pool, 100).await;
    for _ in 0..2 {
        sqlx::query("SELECT read.item_history_add_partitions(10, 2)")
            .execute(&harness.pool)
            .await
            .unwrap();
    }
    let mut item = Item {
        created_at: times[0],
        ..Item::default()
    };
    for (version, time) in (1..).zip(times) {
        item.version = version;
        item.put_change_at(&harness.pool, *time, TOPIC, 0, version * 2)
            .await;
    }
    item.put(&harness.pool).await;
    item
}

/// Drops what is older than so many days.
async fn keep(pool: &PgPool, days: i32) {
    loop {
        let outcome: String = sqlx::query_scalar("SELECT read.item_history_drop_partition($1)")
            .bind(days)
            .fetch_one(pool)
            .await
            .unwrap();
        match outcome.as_str() {
            "dropped" | "busy" => {}
            _ => return,
        }
    }
}

#[tokio::test]
async fn pages_go_through_all_partitions_in_the_order_of_versions() {
    let harness = Harness::start().await;
    // Not in the order of versions, as clocks that stand wrong decide it, one of them far ahead.
    let times = [300, 95, 96, 60, 300, -400, 0].map(days_ago);
    let item = item_of(&harness, &times).await;
    let all = [7, 6, 5, 4, 3, 2, 1];
    assert_eq!(walk(&harness, path(&item, 2)).await, (all.to_vec(), 4));
    assert_eq!(walk(&harness, path(&item, 7)).await, (all.to_vec(), 1));
    // Nobody knows any more when it was created.
    let deleted = Item {
        deleted: true,
        ..item
    };
    deleted.put(&harness.pool).await;
    assert_eq!(walk(&harness, path(&deleted, 3)).await.0, all);
}

#[tokio::test]
async fn a_change_that_a_clock_put_before_the_creation_is_shown() {
    let harness = Harness::start().await;
    let created = days_ago(20);
    let item = item_of(&harness, &[created, created - Duration::hours(23), days_ago(1)]).await;
    assert_eq!(walk(&harness, path(&item, 2)).await.0, [3, 2, 1]);
}

#[tokio::test]
async fn the_pages_end_at_the_oldest_change_that_is_kept() {
    let harness = Harness::start().await;
    let item = item_of(&harness, &[300, 95, 60, 30, 0].map(days_ago)).await;
    let first_page = harness.get(&path(&item, 2)).await;
    let cursor = first_page.json()["next_cursor"].as_str().unwrap().to_owned();
    keep(&harness.pool, 50).await;
    assert_eq!(walk(&harness, path(&item, 1)).await, (vec![5, 4], 2));
    // What an earlier release wrote of the past, and nobody has removed yet.
    item.put_change_at(&harness.pool, days_ago(200), TOPIC, 0, 100)
        .await;
    assert_eq!(walk(&harness, path(&item, 10)).await.0, [5, 4]);
    // From before the drop.
    let rest = walk(&harness, format!("{}&cursor={cursor}", path(&item, 2))).await;
    assert_eq!(rest, (vec![], 1));
}

#[tokio::test]
async fn an_item_whose_changes_are_all_gone_has_an_empty_history() {
    let harness = Harness::start().await;
    let item = item_of(&harness, &[300, 200].map(days_ago)).await;
    keep(&harness.pool, 50).await;
    let reply = harness.get(&path(&item, 10)).await;
    assert_eq!(
        (reply.status, reply.json()["changes"].as_array().unwrap().len()),
        (200, 0)
    );
    assert_eq!(
        harness.get(&format!("/api/v1/items/{}", item.id)).await.status,
        200
    );
}

#[tokio::test]
async fn a_stream_from_before_what_is_kept_is_refused_with_the_reason() {
    let harness = Harness::start().await;
    put_offset(&mut harness.pool.acquire().await.unwrap(), 0, 0).await;
    let mut client = QueryServiceClient::new(channel(&harness).await);
    let from = |token: &str| v1::WatchItemsRequest {
        resume_token: token.into(),
        ..Default::default()
    };
    let mut stream = client
        .watch_items(by_reader(from("")))
        .await
        .unwrap()
        .into_inner();
    let begun = stream.message().await.unwrap().unwrap().resume_token;
    let item = item_of(&harness, &[300, 95, 60, 30, 0].map(days_ago)).await;
    let mut tokens = Vec::new();
    while tokens.len() < 5 {
        let message = stream.message().await.unwrap().unwrap();
        tokens.extend(message.change.map(|_| message.resume_token));
    }
    drop(stream);
    keep(&harness.pool, 50).await;
    let too_old = (Code::OutOfRange, "RESUME_TOKEN_TOO_OLD".to_owned());
    // The third version is the newest that is gone.
    for token in [&begun, &tokens[0], &tokens[1]] {
        let refused = client.watch_items(by_reader(from(token))).await.unwrap_err();
        assert_eq!(reason(&refused), too_old);
    }
    let mut stream = client
        .watch_items(by_reader(from(&tokens[2])))
        .await
        .unwrap()
        .into_inner();
    let mut versions = Vec::new();
    while versions.len() < 2 {
        versions.extend(
            stream
                .message()
                .await
                .unwrap()
                .unwrap()
                .change
                .map(|change| change.version),
        );
    }
    assert_eq!(versions, ["4", "5"]);

    // An open stream that lost what it had not read yet is ended, rather than go on behind the gap.
    sqlx::query("INSERT INTO read.item_history_floors VALUES (1, $1, 3, 8)")
        .bind(REDRIVEN)
        .execute(&harness.pool)
        .await
        .unwrap();
    let redriven = Item { version: 6, ..item };
    redriven
        .put_change_at(&harness.pool, days_ago(0), REDRIVEN, 3, 8)
        .await;
    let ended = loop {
        match stream.message().await {
            Ok(Some(message)) => assert!(message.change.is_none()),
            Ok(None) => panic!("ended without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&ended), too_old);
}
